/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_SNAPSHOT_FUZZER_H
#define IOASID_FUZZ_SNAPSHOT_FUZZER_H

#include <stddef.h>
#include <stdint.h>

/* Faults it has to notice: what is refused leaves a set, what is taken loses. */
enum snapshot_fault {
	SNAPSHOT_NO_FAULT,
	SNAPSHOT_LEAVES,
	SNAPSHOT_LOSES,
};

extern enum snapshot_fault snapshot_fault;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* IOASID_FUZZ_SNAPSHOT_FUZZER_H */
