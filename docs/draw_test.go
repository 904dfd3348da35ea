package docs

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"waitingroom/shared/room"
)

// drawnSeal is what the page's panel gives of a place in a closed run: the page's tests check it with
// the panel's JavaScript, and the tests below with Go and with the program of check-a-draw.md.
const drawnSeal = "../static/test/testdata/seal.json"

type panel struct {
	Event    string            `json:"event"`
	Run      string            `json:"run"`
	Commit   string            `json:"commit"`
	DrawKey  string            `json:"draw_key"`
	Seal     room.SealDocument `json:"seal"`
	Ticket   ticket            `json:"ticket"`
	Position int64             `json:"position"`
}

type ticket struct {
	Cohort int64 `json:"cohort"`
	Shard  int   `json:"shard"`
	Seq    int64 `json:"seq"`
}

func TestPanelIsWhatTheRoomDraws(t *testing.T) {
	run := room.Run{Event: "demo", ID: "000102030405060708090a0b0c0d0e0f"}
	key := run.DrawKey([]byte("a deployment's secret"))
	seal := room.Seal{Run: run, Cohort: 258, Base: 300017, Counts: []int64{19, 0, 23, 70001, 17, 31, 1, 25}}
	seal.Seed = room.Seed(key, run, seal.Cohort, seal.Counts)
	mine := ticket{Cohort: 258, Shard: 3, Seq: 65537}
	position, err := seal.Position(mine.Shard, mine.Seq)
	if err != nil {
		t.Fatal(err)
	}
	want := panel{
		Event: run.Event, Run: run.ID, Commit: room.Commit(key), DrawKey: hex.EncodeToString(key[:]),
		Seal: seal.Document(), Ticket: mine, Position: position,
	}
	text, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, drawnSeal); got != string(text)+"\n" {
		t.Errorf("%s is\n%s\nwant\n%s", drawnSeal, got, text)
	}
}

// The document's program takes what the panel gives, and refuses it when anything in it is changed.
func TestPanelIsCheckedByTheProgram(t *testing.T) {
	python, err := exec.LookPath(cmp.Or(os.Getenv("PYTHON"), "python3"))
	if err != nil && os.Getenv("PYTHON_DOORS") != "required" {
		t.Skip("no Python: install it, or name one in PYTHON")
	} else if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, block := range blocksOf(t, contents(t, "check-a-draw.md")) {
		if block.language == "python" {
			if err := os.WriteFile(filepath.Join(folder, "check.py"), []byte(block.text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(change func(map[string]any)) (string, error) {
		var mine map[string]any
		if err := json.Unmarshal([]byte(contents(t, drawnSeal)), &mine); err != nil {
			t.Fatal(err)
		}
		change(mine)
		text, err := json.Marshal(mine)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "mine.json"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		command := exec.Command(python, "check.py", "mine.json")
		command.Dir = folder
		said, err := command.CombinedOutput()
		return string(said), err
	}
	seal := func(mine map[string]any, name string, value any) {
		changed := maps.Clone(mine["seal"].(map[string]any))
		changed[name] = value
		mine["seal"] = changed
	}

	for name, change := range map[string]func(map[string]any){
		"as it is":          func(map[string]any) {},
		"of a run not over": func(mine map[string]any) { delete(mine, "draw_key") },
	} {
		if said, err := check(change); err != nil || said != "347034\n" {
			t.Errorf("%s: %v: %s", name, err, said)
		}
	}
	zeros := strings.Repeat("0", 64)
	for complaint, change := range map[string]func(map[string]any){
		"not the one committed to":     func(mine map[string]any) { mine["commit"] = zeros },
		"wrong seed":                   func(mine map[string]any) { seal(mine, "seed", zeros) },
		"wrong numbers":                func(mine map[string]any) { seal(mine, "size", 70118) },
		"not the place that was shown": func(mine map[string]any) { seal(mine, "base", 300018) },
		"never given out":              func(mine map[string]any) { mine["ticket"].(map[string]any)["seq"] = 70002 },
		"AssertionError":               func(mine map[string]any) { mine["run"] = "another" },
	} {
		if said, err := check(change); err == nil || !strings.Contains(said, complaint) {
			t.Errorf("want a complaint of %q, got %v: %s", complaint, err, said)
		}
	}
}
