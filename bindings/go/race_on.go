// SPDX-License-Identifier: MIT

//go:build race

package ioasid

import "sync/atomic"

// The race detector does not see what C orders: that a grace period follows the
// read sections it waited for has to be said in Go.

const raceEnabled = true

type raceEdge struct{ sections atomic.Uint64 }

func (e *raceEdge) leave() { e.sections.Add(1) }
func (e *raceEdge) pass()  { e.sections.Load() }
