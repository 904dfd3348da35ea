package runtimeapi

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"testing"
	"time"

	"waitingroom/shared/deployment/rsakey"
	"waitingroom/shared/names"
)

// nothing is the program that does nothing.
const nothing = "local/runtimeapi/nothing"

// BenchmarkColdStart measures from the start of a process to its first answer, each time beside the
// program that does nothing with the same event. Metrics are medians in milliseconds and their ratio.
// The services answer at once here: in an account each call before the first answer takes some
// milliseconds more, and Lambda adds what it takes to fetch the program and to start a machine.
func BenchmarkColdStart(b *testing.B) {
	w := newWorld(b)
	s := w.newSale(b, "demo", nil)
	key, err := rsa.GenerateKey(rand.Reader, rsakey.Bits)
	if err != nil {
		b.Fatal(err)
	}
	text, err := rsakey.Encode(key)
	if err != nil {
		b.Fatal(err)
	}
	w.secrets.put(passKeyARN, text)
	inSecret := with(with(w.environment(names.FunctionAdmit), names.EnvPassKey, ""), names.EnvPassKeySecret, passKeyARN)
	turn := w.admitRequest(b, "demo", s.tickets[1])
	for _, start := range []struct {
		name, function string
		variables      map[string]string
		event          []byte
	}{
		{"join", names.FunctionJoin, nil, recorded(b, "lambdas/join/testdata/request.json")},
		{"admit", names.FunctionAdmit, nil, turn},
		{"admit-key-in-secret", names.FunctionAdmit, inSecret, turn},
		{"place", names.FunctionPlace, nil, w.placeRequest(b, "demo", s.tickets[1])},
		{"tick", names.FunctionTick, nil, recorded(b, "local/runtimeapi/testdata/scheduled.json")},
		{"settings", names.FunctionSettings, nil, recorded(b, "lambdas/settings/testdata/change.json")},
	} {
		variables := start.variables
		if variables == nil {
			variables = w.environment(start.function)
		}
		program, idle := build(b, "lambdas/"+start.function+"/bootstrap"), build(b, nothing)
		b.Run(start.name, func(b *testing.B) {
			var own, least []time.Duration
			for b.Loop() {
				least = append(least, w.coldStart(b, "nothing", idle, nil, start.event))
				own = append(own, w.coldStart(b, start.function, program, variables, start.event))
			}
			b.ReportMetric(0, "ns/op") // of both together, which says nothing
			b.ReportMetric(milliseconds(median(own)), "ms")
			b.ReportMetric(milliseconds(median(least)), "ms-nothing")
			b.ReportMetric(float64(median(own))/float64(median(least)), "ratio")
		})
	}
}

// coldStart is the time from the start of a process to its first answer.
func (w *world) coldStart(b *testing.B, function, program string, variables map[string]string, event []byte) time.Duration {
	b.Helper()
	p := w.run(b, function, program, variables)
	p.succeed(b, event, answerLimit)
	took := time.Since(p.began)
	p.kill()
	return took
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
