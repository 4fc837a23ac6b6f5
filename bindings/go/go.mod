// SPDX-License-Identifier: MIT
module github.com/ioasid/ioasid-go

go 1.19
