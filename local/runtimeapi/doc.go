// Package runtimeapi runs the functions' real programs as processes, against a stand-in for the
// Lambda Runtime API and for the services that they call, and holds their answers against those of
// local. The programs are not changed for it: the AWS SDK takes its endpoints from the environment.
//
// How long a program takes from its start to its first answer, beside one that does nothing:
//
//	go test ./local/runtimeapi -run '^$' -bench ColdStart -benchtime 20x
package runtimeapi
