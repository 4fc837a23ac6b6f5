/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "util.h"

uint64_t ioasid_mix(uint64_t number)
{
	number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
	return number ^ number >> 31;
}
