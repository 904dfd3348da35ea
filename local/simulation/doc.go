// Package simulation runs whole sales of the real functions in virtual time, over a store that
// refuses, loses and half-answers, with leaders that die at any step or wake up late and clocks
// that jump, and holds what happened against the design's invariants. A seed decides everything,
// so that a sale that went wrong can be run again alone:
//
//	go test ./local/simulation -run 'TestSales' -seed 42 -v
package simulation
