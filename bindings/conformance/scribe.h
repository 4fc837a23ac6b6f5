/* SPDX-License-Identifier: MIT */
#ifndef IOASID_CONFORMANCE_SCRIBE_H
#define IOASID_CONFORMANCE_SCRIBE_H

/*
 * Writes a case while it runs: each step on all stores, with membarrier and
 * without, and on the model of each. What the model says is written, if all
 * gave it; a step with freedom in its answer is left out, or ends the case.
 */

#include "fuzz/api/harness.h"

/* What may be different about the space of a case. */
struct scribe_config {
	ioasid_t min, max;
	enum ioasid_reuse reuse;
	bool quarantine;
	uint32_t capacity;
};

/* Begins a case of at most @lines lines. */
void scribe_begin(const struct scribe_config *config, size_t lines);

/*
 * Runs @step, and writes it. Sets by number are made by their first use. False:
 * the case is at its end.
 */
bool scribe_step(const struct step *step);

/* The model, for the choice of the next step; the read sections open. */
const struct model *scribe_model(void);
uint32_t scribe_depth(void);
/* The number of a set that the model has. */
uint32_t scribe_set(const struct ioasid_set *set);

/*
 * Ends the case. Its text from the second line on, the caller's to free, and the
 * number of lines; @narrow: the bitmap store cannot have it.
 */
char *scribe_end(size_t *lines, bool *narrow);

#endif /* IOASID_CONFORMANCE_SCRIBE_H */
