package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"waitingroom/local/exit"
	"waitingroom/shared/hotshow"
)

// planned runs the command and returns what it prints and its exit status.
func planned(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, problems bytes.Buffer
	status = runPlan(args, &out, &problems)
	return out.String(), problems.String(), status
}

func TestPlanSaysWhatIsNeeded(t *testing.T) {
	text, problems, status := planned(t, "-visitors", "300000", "-over", "60s", "-rate", "13000")
	if status != 0 || problems != "" {
		t.Fatalf("status %d: %s", status, problems)
	}
	for _, want := range []string{
		"shards                   64", "23,000 writes and 12,000 reads", "500 of join, 46 of admit",
		"RAISE: lambda L-B99A9384", "a week before the on-sale", "an hour before it",
		"11:32   20:46        23:05  22:05", "8:05    14:32        16:09  15:09", "30 % do not claim", "open for 1:23:05, until an hour after", "the sale, once", "price not confirmed",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %q in\n%s", want, text)
		}
	}
	text, _, _ = planned(t, "-visitors", "1000000", "-over", "1s", "-rate", "60000")
	if !strings.Contains(text, "1,000,000 people a second want to join, and a room takes 30,000 at most") {
		t.Errorf("a million in a second:\n%s", text)
	}
	text, _, _ = planned(t, "-visitors", "60000", "-over", "10m", "-rate", "100", "-open", "1h")
	if !strings.Contains(text, "The line takes 10 hours, and the event closes 60 minutes after its on-sale") {
		t.Errorf("a line beyond the end:\n%s", text)
	}
	if want := "open for 1:00:00, until it closes"; !strings.Contains(text, want) {
		t.Errorf("no word of %q in\n%s", want, text)
	}
	text, _, _ = planned(t, "-visitors", "1000", "-rate", "500")
	if strings.Contains(text, "Mind") || strings.Contains(text, "RAISE") || strings.Contains(text, "price not confirmed") {
		t.Errorf("a thousand:\n%s", text)
	}
}

func TestPlanInJSON(t *testing.T) {
	text, _, status := planned(t, "-json", "-onsale", "2199-11-28T10:00:00+01:00", "-kept", "1h")
	var document struct {
		RaiseBy time.Time `json:"raise_by"`
		SetBy   time.Time `json:"set_by"`
		Plan    struct {
			Shards int
			Quotas []struct {
				Name   string
				Raise  bool
				Source struct{ URL, Read string }
			}
		}
		Warnings []string
		Waits    []struct {
			Last float64 `json:"last_seconds"`
		}
		Costs []struct{ USD float64 }
		Total float64 `json:"total_usd"`
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil || status != 0 {
		t.Fatalf("status %d, %v: %s", status, err, text)
	}
	onsale := time.Date(2199, 11, 28, 9, 0, 0, 0, time.UTC)
	if onsale.Sub(document.RaiseBy) != 7*24*time.Hour || onsale.Sub(document.SetBy) != time.Hour {
		t.Errorf("raise by %v, set by %v", document.RaiseBy, document.SetBy)
	}
	var sum float64
	for _, c := range document.Costs {
		sum += c.USD
	}
	if document.Plan.Shards != 64 || len(document.Warnings) != 1 || len(document.Waits) != 2 || document.Waits[0].Last != 1385 ||
		sum < document.Total-0.001 || sum > document.Total+0.001 || document.Plan.Quotas[0].Source.URL == "" {
		t.Errorf("%s", text)
	}
	if text, _, _ := planned(t, "-onsale", "2199-11-28T10:00:00+01:00"); !strings.Contains(text, "by Thursday, 21 November 2199, 10:00 +01:00") {
		t.Errorf("no dates in\n%s", text)
	}
	soon := time.Now().Add(2 * 24 * time.Hour).Format(time.RFC3339)
	if text, _, _ := planned(t, "-onsale", soon); !strings.Contains(text, "Ask for them at once") {
		t.Errorf("no haste in\n%s", text)
	}
}

// Provisioned concurrency is counted for as long as a hot show keeps it that says nothing about it.
func TestPlanKeepsAsShowsDo(t *testing.T) {
	request, err := hotshow.ParseRequest([]byte(`{"event":"tour","names":{"en":"Tour"},"onsale":"2026-11-28T10:00:00Z",
		"visitors":1,"over":"1s","rate":1,"target":"https://shop.example/"}`), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if kept := request.Ends().Sub(request.Begins()); kept != usuallyKept {
		t.Errorf("a hot show keeps it for %v, the plan for %v", kept, usuallyKept)
	}
}

// A bad flag is one line that names it, and the exit status of a usage error.
func TestPlanRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"-visitors", "0"}, {"-visitors", "20000001"}, {"-visitors", "many"}, {"-over", "0s"}, {"-over", "721h"}, {"-over", "60"},
		{"-rate", "0"}, {"-rate", "60001"}, {"-no-shows", "1"}, {"-no-shows", "NaN"}, {"-kept", "-1h"},
		{"-open", "0s"}, {"-open", "2161h"}, {"-onsale", "2199-11-28T10:00:00+24:00"},
		{"-onsale", "tomorrow"}, {"-onsale", "2026-11-28T10:00:00"}, {"-onsale", "2020-11-28T10:00:00Z"}, {"more"}, {"-what"},
	} {
		out, problems, status := planned(t, args...)
		if status != exit.Usage || out != "" || strings.Count(problems, "\n") != 1 || !strings.Contains(problems, args[0]) {
			t.Errorf("%q: status %d, %q", args, status, problems)
		}
	}
	if help, _, status := planned(t, "-help"); status != 0 || !strings.Contains(help, "-visitors") {
		t.Errorf("help: status %d, %s", status, help)
	}
}
