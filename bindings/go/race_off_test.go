// SPDX-License-Identifier: MIT

//go:build !race

package ioasid

const raceEnabled = false
