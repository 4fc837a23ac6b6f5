// SPDX-License-Identifier: MIT
/* For symbols_test.sh to find. */
int ioasid_stray(void);

int linux_not_stray;

int ioasid_stray(void)
{
	return linux_not_stray;
}
