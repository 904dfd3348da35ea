package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"golang.org/x/sync/errgroup"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// TestVisitorInBrowser goes with a real browser from the countdown through the place to the shop,
// and reloads the page on the way. The rate is so low at first that nobody's turn comes before the
// promoter has raised it.
func TestVisitorInBrowser(t *testing.T) {
	chromium := findChromium(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := open(t, time.Now().Add(15*time.Second), 1)
	r.await(ctx, t, "that the pre-queue is open", func(s room.Status) bool { return s.Phase == room.PreQueue })
	others := r.crowd(10)
	var visits errgroup.Group
	for _, v := range others {
		if err := v.join(ctx); err != nil {
			t.Fatal(err)
		}
		visits.Go(func() error { return v.proceed(ctx) })
	}

	tab := openTab(ctx, t, chromium)
	tab.run(chromedp.Navigate(r.address + "/demo"))
	tab.reach("waiting-sale")
	tab.screenshots("1-waiting-for-the-sale")
	joined := tab.record()
	if countdown := tab.text("#countdown"); !strings.HasPrefix(countdown, "00:00:") {
		t.Errorf("the countdown is %q", countdown)
	}
	tab.run(chromedp.Reload())
	tab.reach("waiting-sale")
	tab.keeps(joined)

	tab.reach("waiting")
	tab.screenshots("2-in-line")
	place := tab.text("#place")
	tab.keeps(joined)
	if ahead, err := strconv.Atoi(tab.text("#ahead")); err != nil || strconv.Itoa(ahead+1) != place {
		t.Errorf("place %s has %s people ahead although nobody was let in (%v)", place, tab.text("#ahead"), err)
	}
	v := &visitor{room: r, seat: joined.seat}
	position, err := v.place(ctx)
	if err != nil || strconv.FormatInt(position, 10) != place {
		t.Errorf("the page says place %s, the room %d, %v", place, position, err)
	}
	tab.run(chromedp.Reload())
	tab.reach("waiting")
	tab.keeps(joined)
	if again := tab.text("#place"); again != place {
		t.Errorf("place %s became %s by reloading", place, again)
	}

	r.set(t, "demo", "rate", "120")
	tab.reach("turn")
	tab.screenshots("3-turn")
	tab.run(chromedp.WaitVisible("#pass-checked"))
	tab.screenshots("4-shop")
	if in := tab.text("#visitor"); in != joined.Visitor {
		t.Errorf("the shop let %s in, and %s was in line", in, joined.Visitor)
	}
	if address := tab.address(); address.Path != "/shop" || address.Query().Has(names.PassParameter) {
		t.Errorf("the address in the shop is %s", address.Path)
	}
	if err := visits.Wait(); err != nil {
		t.Error(err)
	}
}

// TestTwoTabsAreOneVisitor opens the page twice in one browser.
func TestTwoTabsAreOneVisitor(t *testing.T) {
	chromium := findChromium(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := open(t, time.Now().Add(-time.Second), 1)
	r.await(ctx, t, "that the sale is open", func(s room.Status) bool { return s.Phase == room.Open })

	one := openTab(ctx, t, chromium)
	two := one.another()
	one.run(chromedp.Navigate(r.address + "/demo"))
	one.reach("waiting")
	// Tabs opened in the same instant may both join: one of them then leaves a hole in the line.
	two.run(chromedp.Navigate(r.address + "/demo"))
	two.reach("waiting")
	two.keeps(one.record())
	if place, other := one.text("#place"), two.text("#place"); place != "1" || other != "1" {
		t.Errorf("the tabs have places %s and %s in a line of one", place, other)
	}
	if status, err := r.status(ctx); err != nil || status.Line != 1 {
		t.Errorf("the line has %d places, %v", status.Line, err)
	}

	r.set(t, "demo", "rate", "120")
	in, out := one, two
	select {
	case <-one.arrives("#pass-checked"):
	case <-two.arrives("#pass-checked"):
		in, out = two, one
	case <-ctx.Done():
		t.Fatal("neither tab comes to the shop")
	}
	visitor := in.text("#visitor")
	out.reach("admitted")
	out.screenshots("5-let-in-elsewhere")
	out.run(chromedp.Click("#enter"), chromedp.WaitVisible("#pass-checked"))
	if again := out.text("#visitor"); again != visitor || visitor == "" {
		t.Errorf("the tabs came to the shop as %q and %q", visitor, again)
	}
	checkCap(t, r.windows(ctx, t), 120, 1)
}

// findChromium returns the browser's path. Without one the test is skipped, unless
// BROWSER_TESTS=required.
func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const how = "no Chromium: install it (on Debian: apt-get install chromium) or name its program in CHROMIUM"
	if os.Getenv("BROWSER_TESTS") == "required" {
		t.Fatal(how)
	}
	t.Skip(how)
	return ""
}

// tab is a page in a browser. What the browser complains of, also of what the page's policy forbids,
// fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// openTab starts a browser with a profile of its own.
func openTab(ctx context.Context, t *testing.T, chromium string) *tab {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium), chromedp.UserDataDir(profile(t)),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU,
		chromedp.WindowSize(1280, 800),
	}
	for _, flag := range []string{
		"disable-background-networking", "disable-component-update", "disable-default-apps", "disable-domain-reliability",
		"disable-extensions", "disable-quic", "disable-sync", "no-pings", "disable-dev-shm-usage",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	browser, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	return newTab(browser, t)
}

// profile is a folder for a browser. The browser's helper processes outlive it by a moment and may
// write while the folder is being removed, so it is removed until nothing is left.
func profile(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "profile")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); ; {
			if err := os.RemoveAll(folder); err == nil {
				return
			} else if time.Now().After(end) {
				t.Errorf("the browser's profile stays behind: %v", err)
				return
			}
		}
	})
	return folder
}

func (b *tab) another() *tab { return newTab(b.ctx, b.t) }

func newTab(parent context.Context, t *testing.T) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(parent)
	t.Cleanup(closeTab)
	var mu sync.Mutex
	var complaints []string
	complain := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			complain("exception: %v", e.ExceptionDetails)
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
				complain("console: %s", e.Args[0].Value)
			}
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.LevelError || e.Entry.Level == cdplog.LevelWarning {
				complain("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
			}
		}
	})
	b := &tab{t, ctx}
	b.run(cdplog.Enable())
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range complaints {
			t.Errorf("the browser complains: %s", c)
		}
	})
	return b
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		state, _ := b.state()
		b.t.Fatalf("in state %q: %v", state, err)
	}
}

// reach waits until the page is in state.
func (b *tab) reach(state string) {
	b.t.Helper()
	b.run(chromedp.WaitVisible(fmt.Sprintf("main[data-state=%q]", state)))
}

// arrives returns a channel that is closed when the page has an element that can be seen.
func (b *tab) arrives(selector string) <-chan struct{} {
	there := make(chan struct{})
	go func() {
		if chromedp.Run(b.ctx, chromedp.WaitVisible(selector)) == nil {
			close(there)
		}
	}()
	return there
}

// state is where the page is when it does not get on; the context may be over.
func (b *tab) state() (state string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), time.Second)
	defer cancel()
	err = chromedp.Run(ctx, chromedp.Evaluate(`document.querySelector("main")?.dataset.state ?? document.title`, &state))
	return state, err
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	var text string
	b.run(chromedp.TextContent(selector, &text))
	return text
}

func (b *tab) address() *url.URL {
	b.t.Helper()
	var text string
	b.run(chromedp.Location(&text))
	address, err := url.Parse(text)
	if err != nil {
		b.t.Fatal(err)
	}
	return address
}

// kept is what the page remembers of its visitor.
type kept struct {
	seat
	Secret string
	Run    string
}

func (b *tab) record() kept {
	b.t.Helper()
	var text string
	b.run(chromedp.Evaluate(`localStorage.getItem("waiting-room:demo")`, &text))
	var k kept
	if err := json.Unmarshal([]byte(text), &k); err != nil || k.Ticket == "" {
		b.t.Fatalf("the page keeps no ticket (%v)", err)
	}
	secret, err := base64.RawURLEncoding.DecodeString(k.Secret)
	if err != nil {
		b.t.Fatal(err)
	}
	k.Visitor = room.VisitorID(secret)
	return k
}

func (b *tab) keeps(before kept) {
	b.t.Helper()
	if now := b.record(); now != before {
		b.t.Error("the page has another secret, ticket or place than before")
	}
}

// screenshots shows how the page looks on a phone and on a desk, in the folder that SCREENSHOTS
// names.
func (b *tab) screenshots(name string) {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	for size, view := range map[string][]chromedp.EmulateViewportOption{
		"phone": {chromedp.EmulateMobile, chromedp.EmulateTouch}, "desktop": nil,
	} {
		width, height := int64(1280), int64(800)
		if size == "phone" {
			width, height = 390, 844
		}
		var picture []byte
		b.run(chromedp.EmulateViewport(width, height, view...), chromedp.CaptureScreenshot(&picture))
		if err := os.WriteFile(filepath.Join(folder, name+"-"+size+".png"), picture, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}
