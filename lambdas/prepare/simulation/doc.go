// Package simulation drives whole lives of hot shows through the real rules, schedule, runs and steps, in
// virtual time, against services in memory whose effects are counted. At each call that a run makes to
// anything outside of it something goes wrong: the process dies, the answer is lost, another run comes in
// between, a person cancels. By itself or together with that, what a call has changed is shown to reads only a
// minute later. What is left at the end has to be what is left without trouble.
//
// What several troubles do together is drawn from a seed, so that a life that went wrong can be run
// again alone:
//
//	go test ./lambdas/prepare/simulation -run TestLivesInTrouble -seed 42 -v
package simulation
