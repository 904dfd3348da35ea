// Package exit names the statuses with which the program and its commands end.
package exit

// Exit statuses, besides 0.
const (
	Failed      = 1
	Usage       = 2
	Interrupted = 130 // as a shell says of a program that was interrupted
)
