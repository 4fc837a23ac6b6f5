/* SPDX-License-Identifier: MIT */
/* wasi-libc has none; cmocka asks for it, its stand-in does without. */
