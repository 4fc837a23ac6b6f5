// SPDX-License-Identifier: MIT

package ioasid

// Version is the version of this module, and of the C library in it.
const Version = "0.2.0"
