package gate

import (
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strconv"

	"waitingroom/shared/names"
)

// The types of the problem documents.
const (
	ProblemRefused   = names.ProblemPrefix + "pass-refused"   // 403: go to the room for a pass
	ProblemUnchecked = names.ProblemPrefix + "pass-unchecked" // 503: try again with the same pass
)

// shield keeps what is said about a pass out of caches, and its address out of Referer headers.
func shield(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

func (g *Gate) redirect(w http.ResponseWriter, r *http.Request, to string) {
	shield(w)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (g *Gate) page() string { return g.room + "/" + g.event }

func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, why error) {
	g.log.DebugContext(r.Context(), "gate: refused", "event", g.event, "reason", why)
	switch {
	case errors.Is(why, errUnchecked):
		w.Header().Set("Retry-After", strconv.Itoa(int(fetchInterval.Seconds())))
		g.explainUnchecked(w, r)
	case navigates(r):
		g.redirect(w, r, g.page())
	default:
		problem(w, http.StatusForbidden, ProblemRefused, "A pass of the waiting room is needed: "+g.page())
	}
}

func (g *Gate) explainUnchecked(w http.ResponseWriter, r *http.Request) {
	if !navigates(r) {
		problem(w, http.StatusServiceUnavailable, ProblemUnchecked, "The pass cannot be checked for the moment. It stays good: try again.")
		return
	}
	write(w, http.StatusServiceUnavailable, message{
		Title: "One moment, please",
		Text:  "The shop cannot check passes for the moment. Yours stays good. Please load this page again in a few seconds.",
	})
}

// explainLoop stops a browser that keeps coming with the same pass. The page leads on by a link
// only, never by itself.
func (g *Gate) explainLoop(w http.ResponseWriter, good bool, asked address) {
	if good {
		write(w, http.StatusForbidden, message{
			Title: "The shop needs a cookie",
			Text:  "Your browser did not keep the cookie that shows the shop your pass. Please allow cookies for this site, then go on. Your turn is kept.",
			Link:  asked.below(g.audience), LinkText: "Go on to the shop",
		})
		return
	}
	write(w, http.StatusForbidden, message{
		Title: "The shop does not accept this pass",
		Text:  "It may have expired, or be for another shop or event.",
		Link:  g.page(), LinkText: "Go to the waiting room",
	})
}

type message struct{ Title, Text, Link, LinkText string }

var messagePage = template.Must(template.New("message").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{with .Link}}<p><a href="{{.}}">{{$.LinkText}}</a></p>
{{end}}</main>
</body>
</html>
`))

func write(w http.ResponseWriter, status int, m message) {
	shield(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// Only a visitor who has left makes this fail.
	_ = messagePage.Execute(w, m)
}

func problem(w http.ResponseWriter, status int, kind, detail string) {
	shield(w)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{kind, http.StatusText(status), status, detail})
}
