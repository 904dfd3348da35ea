package settings_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"waitingroom/lambdas/settings"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	parameters "waitingroom/shared/settings"
)

func TestRecordedChange(t *testing.T) {
	w := newWorld(with(demo(), "rate", "fast"))
	w.run(t, waiting())
	if err := settings.NewHandler(w.listener(t))(t.Context(), recorded(t, "change.json")); err != nil {
		t.Fatal(err)
	}
	const want = `Waiting room: "rate" of demo is not used
The waiting room concerts looked at its settings after /waiting-room/demo/rate (Update).
It does not use:

/waiting-room/demo/rate
  value:  "fast"
  reason: "fast" is not a whole number of visitors per minute between 1 and 60000; the last good value stays in force

All else goes on as before, and nobody loses a place.
Set it right or delete it in Parameter Store, as the reason says. A right value is in force within ten
seconds, the first ones of a new event within two minutes; there is no message when all is well.
`
	if got := w.mail(t); got != want {
		t.Errorf("mail\n%s\nwant\n%s", got, want)
	}
	if st, err := w.Memory.State(t.Context(), "demo"); err != nil || !st.Announced.Equal(now) {
		t.Errorf("announced at %v, %v", st.Announced, err)
	}
}

func TestRecordedDeletion(t *testing.T) {
	texts := demo()
	delete(texts, "rate")
	w := newWorld(texts)
	w.run(t, open())
	if err := settings.NewHandler(w.listener(t))(t.Context(), recorded(t, "delete.json")); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"(Delete)", "/waiting-room/demo/rate\n  value:  (none)\n  reason: was removed but is required; the last good value stays in force\n"} {
		if got := w.mail(t); !strings.Contains(got, part) {
			t.Errorf("the mail lacks %q:\n%s", part, got)
		}
	}
}

func TestChanges(t *testing.T) {
	none := func(*testing.T, *world) {}
	is := func(st room.State) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { w.run(t, st) }
	}
	for name, c := range map[string]struct {
		texts   map[string]string
		prepare func(*testing.T, *world)
		changed string // below /waiting-room/
		deleted bool
		silent  bool     // nothing is announced
		bad     int      // rejections
		mail    []string // parts of it
	}{
		"a good value":                      {texts: with(demo(), "rate", "700"), prepare: is(waiting()), changed: "demo/rate"},
		"a good value of a new event":       {texts: demo(), prepare: none, changed: "demo/target"},
		"the first of three":                {texts: map[string]string{"rate": "500"}, prepare: none, changed: "demo/rate"},
		"the second of three":               {texts: map[string]string{"rate": "500", "prequeue": "2026-11-21T10:00:00Z"}, prepare: none, changed: "demo/prequeue"},
		"the last of an event is deleted":   {prepare: none, changed: "demo/rate", deleted: true},
		"an optional one is deleted":        {texts: demo(), prepare: is(waiting()), changed: "demo/message", deleted: true},
		"of an event that is closed":        {texts: demo(), prepare: is(closed()), changed: "demo/onsale"},
		"the first of three is bad":         {texts: map[string]string{"rate": "-5"}, prepare: none, changed: "demo/rate", bad: 1, mail: []string{`"rate" of demo is not used`, "it is required and has no earlier value"}},
		"no such parameter":                 {texts: with(demo(), "rates", "5"), prepare: is(waiting()), changed: "demo/rates", bad: 1, mail: []string{"/waiting-room/demo/rates\n", `"5"`, "there is no such parameter"}},
		"deeper than a parameter":           {texts: with(demo(), "rate/x", "5"), prepare: is(waiting()), changed: "demo/rate/x", bad: 1, mail: []string{"/waiting-room/demo/rate/x\n"}},
		"two bad ones":                      {texts: with(with(demo(), "stock", "12"), "message", "tab\t"), prepare: is(waiting()), changed: "demo/stock", bad: 2, mail: []string{"2 parameters of demo are not used", "demo/stock\n", `"12"`, "the default is in force", "demo/message\n", `"tab\t"`, "U+0009"}},
		"a theme that is no name":           {texts: with(demo(), "theme", "Winter Tour"), prepare: is(waiting()), changed: "demo/theme", bad: 1, mail: []string{`"theme" of demo is not used`, `"Winter Tour"`, "use 1 to 64 of a-z, 0-9 and hyphens", "the default is in force"}},
		"one makes another wrong":           {texts: with(with(demo(), "closes", "2026-11-21T12:00:00Z"), "onsale", "2026-11-21T13:00:00Z"), prepare: is(waiting()), changed: "demo/onsale", bad: 1, mail: []string{`"closes" of demo`, "is not after onsale", "(Update)"}},
		"an on-sale that cannot move":       {texts: with(demo(), "onsale", "2026-11-22T11:00:00Z"), prepare: is(open()), changed: "demo/onsale", bad: 1, mail: []string{`"2026-11-22T11:00:00Z"`, "the pool is closed", "2026-11-21T09:00:00Z stays in force"}},
		"shards in a run":                   {texts: with(demo(), "shards", "64"), prepare: is(waiting()), changed: "demo/shards", bad: 1, mail: []string{`"64"`, "read once", "16 stays in force"}},
		"two complaints about one":          {texts: with(demo(), "shards", "many"), prepare: func(t *testing.T, w *world) { w.runWith(t, waiting(), with(demo(), "shards", "64")) }, changed: "demo/shards", bad: 2, mail: []string{`"shards" of demo is not used`}},
		"a closed event's on-sale is past":  {texts: with(demo(), "onsale", "2026-11-21T09:30:00Z"), prepare: is(closed()), changed: "demo/onsale", bad: 1, mail: []string{"it is past"}},
		"of no event":                       {prepare: none, changed: "rate", silent: true, bad: 1, mail: []string{`"/waiting-room/rate" is not used`, "set it as /waiting-room/<event>/rate", "(not read)", "Delete the parameter"}},
		"of no valid event":                 {prepare: none, changed: "Demo/rate", silent: true, bad: 1, mail: []string{`"/waiting-room/Demo/rate" is not used`, "/waiting-room/Demo/rate\n", "holds other characters than a-z, 0-9 and hyphens", "/waiting-room/<event>/<parameter>"}},
		"of a reserved name":                {prepare: none, changed: "v1/rate", silent: true, bad: 1, mail: []string{"is reserved: choose another"}},
		"of a name that is too long":        {prepare: none, changed: strings.Repeat("a", 900) + "/rate", silent: true, bad: 1, mail: []string{"...\n", strings.Repeat("a", 900) + "/rate\n", "use 1 to 64"}},
		"of no event, deleted":              {prepare: none, changed: "rate", deleted: true, silent: true},
		"of no valid event, deleted":        {prepare: none, changed: "Demo/rate", deleted: true, silent: true},
		"what is not used has a long value": {texts: with(demo(), "stock", strings.Repeat("é", 4000)), prepare: is(waiting()), changed: "demo/stock", bad: 1, mail: []string{`"` + strings.Repeat("é", 63) + `…"`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(c.texts)
			c.prepare(t, w)
			operation := "Update"
			if c.deleted {
				operation = "Delete"
			}
			if err := w.tell(t, names.ParameterPath+c.changed, operation); err != nil {
				t.Fatal(err)
			}
			if silent := len(w.did) == 0 || w.did[0] != "announce demo"; silent != c.silent {
				t.Errorf("did %q", w.did)
			}
			if w.warnings() != c.bad || w.counted(t) != c.bad {
				t.Errorf("%d warnings, %d counted, want %d: %s", w.warnings(), w.counted(t), c.bad, &w.log)
			}
			if c.bad == 0 {
				if len(w.mails) > 0 {
					t.Errorf("mail %s", w.mail(t))
				}
				return
			}
			mail := w.mail(t)
			for _, part := range c.mail {
				if !strings.Contains(mail, part) {
					t.Errorf("the mail lacks %q:\n%s", part, mail)
				}
			}
			checkMail(t, w.mails[0])
		})
	}
}

func TestWhatIsNotOurs(t *testing.T) {
	for _, name := range []string{"", "/", "/other/demo/rate", "/waiting-room", "/waiting-room-2/demo/rate", "demo/rate"} {
		w := newWorld(with(demo(), "rate", "fast"))
		if err := w.tell(t, name, "Update"); err != nil || w.did != nil {
			t.Errorf("%q: %v, did %q", name, err, w.did)
		}
	}
	w := newWorld(nil)
	if err := settings.NewHandler(w.listener(t))(t.Context(), events.CloudWatchEvent{Detail: json.RawMessage(`[]`)}); err == nil {
		t.Error("a change that cannot be read was taken")
	}
}

// Whatever fails, the leader has been told if it could be, and Lambda hears of the failure and
// repeats all of it.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		fault  string
		lost   bool
		before string // what has been done when it fails
		mails  int    // after the repetition
	}{
		{"announce demo", false, "announce demo", 1},
		{"announce demo", true, "announce demo", 1},
		{"read", false, "announce demo, read", 1},
		{"state", false, "announce demo, read, state", 1},
		{"pacing", false, "announce demo, read, state, pacing", 1},
		{"publish", false, "announce demo, read, state, pacing, publish", 1},
		{"publish", true, "announce demo, read, state, pacing, publish", 2},
	} {
		w := newWorld(with(demo(), "rate", "fast"))
		w.run(t, waiting())
		w.faults[c.fault], w.lost = errDown, c.lost
		if err := w.tell(t, "/waiting-room/demo/rate", "Update"); !errors.Is(err, errDown) || !strings.Contains(err.Error(), "/waiting-room/demo/rate") {
			t.Errorf("%s: %v", c.fault, err)
		}
		if got := strings.Join(w.did, ", "); got != c.before {
			t.Errorf("%s: did %s", c.fault, got)
		}
		delete(w.faults, c.fault)
		if err := w.tell(t, "/waiting-room/demo/rate", "Update"); err != nil || len(w.mails) != c.mails {
			t.Errorf("%s, lost %t: repeated, %v and %d mails", c.fault, c.lost, err, len(w.mails))
		}
	}
	w := newWorld(nil)
	w.faults["publish"] = errDown
	if err := w.tell(t, "/waiting-room/rate", "Create"); !errors.Is(err, errDown) {
		t.Errorf("of no event: %v", err)
	}
}

// An environment is invoked for one change after the other; what it may ask of Parameter Store is
// limited over all of them.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const changes = 20
		w := newWorld(with(demo(), "rate", "fast"))
		w.run(t, waiting())
		l := w.listener(t)
		limited, err := parameters.NewReader(w, names.ParameterPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		l.Parameters = limited
		handle, began := settings.NewHandler(l), time.Now()
		for range changes {
			if err := handle(t.Context(), recorded(t, "change.json")); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < (changes-1)*time.Second/parameters.CallsPerSecond {
			t.Errorf("%d readings within %v", changes, took)
		}
		if len(w.mails) != changes {
			t.Errorf("%d mails after %d changes that all leave a bad value", len(w.mails), changes)
		}
	})
}

// What is told is the verdict of the rules by which tick leads, whatever the run and the last good
// values are.
func TestVerdictIsTicks(t *testing.T) {
	values := map[string][]string{
		"onsale": {"2026-11-21T09:00:00Z", "2026-11-21T09:30:00Z", "2026-11-21T11:00:00Z", "2026-11-22T11:00:00Z", "soon"},
		"rate":   {"500", "fast"}, "shards": {"16", "64", "129"}, "closes": {"2026-11-21T10:30:00Z"}, "state": {"closed", "ajar"},
	}
	for _, st := range []room.State{waiting(), open(), closed()} {
		for _, shards := range []int{0, 64} {
			for a := range values {
				for b := range values {
					for _, textA := range values[a] {
						for _, textB := range values[b] {
							checkVerdict(t, st, shards, with(with(demo(), a, textA), b, textB))
						}
					}
				}
			}
		}
	}
}

func checkVerdict(t *testing.T, st room.State, shards int, texts map[string]string) {
	t.Helper()
	w := newWorld(texts)
	w.run(t, st)
	l := w.listener(t)
	l.Shards = shards
	if err := settings.NewHandler(l)(t.Context(), recorded(t, "change.json")); err != nil {
		t.Fatal(err)
	}
	stored, err := w.Memory.State(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	want := parameters.Check(texts, demo(), stored, shards, now).Rejected
	if len(want) == 0 {
		if len(w.mails) > 0 {
			t.Errorf("%v: mail %s", texts, w.mail(t))
		}
		return
	}
	mail := w.mail(t)
	for _, r := range want {
		if !strings.Contains(mail, "/waiting-room/demo/"+r.Parameter+"\n") || !strings.Contains(mail, "  reason: "+r.Reason+"\n") {
			t.Errorf("%v: the mail lacks %v:\n%s", texts, r, mail)
		}
	}
	if strings.Count(mail, "  reason: ") != len(want) || w.warnings() != len(want) || w.counted(t) != len(want) {
		t.Errorf("%v: %d rejections, %d warnings, %d counted, mail\n%s", texts, len(want), w.warnings(), w.counted(t), mail)
	}
}
