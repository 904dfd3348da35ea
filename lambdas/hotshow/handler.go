// Package hotshow is the function behind the API of hot shows: it takes requests, has them approved,
// rejected and cancelled, and tells how shows and their sales stand. Callers are known by their IAM
// signatures, which API Gateway has checked.
package hotshow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"waitingroom/shared/hotshow"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

const (
	// bodyLimit is in bytes: a request with twenty long names is well below.
	bodyLimit = 16 << 10
	// attempts is how often a change is made anew over somebody else's: prepare writes several times a
	// minute for a show that it works on.
	attempts = 6
)

// Shows is where shows are kept: a schedule.Schedule, whose errors it returns.
type Shows interface {
	Add(ctx context.Context, show hotshow.Show, first hotshow.Change) error
	Show(ctx context.Context, id string) (hotshow.Show, error)
	Page(ctx context.Context, after schedule.Place, most int) (schedule.Page, error)
	History(ctx context.Context, id string) ([]hotshow.Change, error)
	Save(ctx context.Context, show *hotshow.Show, changes ...hotshow.Change) error
}

// Desk takes requests for hot shows. All fields but SelfApproval are required.
type Desk struct {
	Shows        Shows
	Statuses     Statuses
	Parameters   Parameters
	Alarms       Alarms
	SelfApproval bool      // whether people may approve what they asked for
	Random       io.Reader // of shows' ids
	Now          func() time.Time
	Log          *slog.Logger

	rates   memory[int] // that promoters have set, by event
	ringing memory[[]Alarm]
}

// Detailed is a show with its history.
type Detailed struct {
	hotshow.Show
	History []hotshow.Change `json:"history"`
}

// NewHandler answers the operations of names.HotShowRoutes but that of Jira.
func NewHandler(d *Desk) httpapi.Handler {
	return func(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
		by, err := caller(r)
		if err != nil {
			return httpapi.Response{}, err
		}
		switch r.HTTPMethod + " " + r.Resource {
		case "POST " + names.PathHotShows:
			return d.ask(ctx, r, by)
		case "GET " + names.PathHotShows:
			return d.list(ctx, r)
		case "GET " + names.PathHotShow:
			return d.show(ctx, r)
		case "GET " + names.PathHotShowSale:
			return d.sale(ctx, r)
		case "POST " + names.PathHotShowApprove:
			return d.decide(ctx, r, by, func(s *hotshow.Show, why string) (hotshow.Change, error) { return d.approve(s, by, why) })
		case "POST " + names.PathHotShowReject:
			return d.decide(ctx, r, by, func(s *hotshow.Show, why string) (hotshow.Change, error) { return s.Reject(by, why, d.now()) })
		case "POST " + names.PathHotShowCancel:
			return d.decide(ctx, r, by, func(s *hotshow.Show, why string) (hotshow.Change, error) { return s.Cancel(by, why, d.now()) })
		}
		if slices.ContainsFunc(names.HotShowRoutes(), func(route names.Route) bool { return route.Path == r.Resource }) {
			return httpapi.Response{}, httpapi.MethodNotAllowed
		}
		return httpapi.Response{}, NotFound
	}
}

// now is in whole milliseconds: what is answered is what is stored.
func (d *Desk) now() time.Time { return d.Now().UTC().Truncate(time.Millisecond) }

// caller is who has signed the request. API Gateway lets nobody through to these routes without a
// signature, so its absence means that the routes are not set up as they have to be.
func caller(r httpapi.Request) (hotshow.Person, error) {
	if r.RequestContext.Identity.UserArn == "" {
		return "", NotAllowed
	}
	return hotshow.Person(r.RequestContext.Identity.UserArn), nil
}

// ask keeps a request. Asking for the same again is answered with the show that there is, so a lost
// answer is harmless.
func (d *Desk) ask(ctx context.Context, r httpapi.Request, by hotshow.Person) (httpapi.Response, error) {
	var body json.RawMessage
	if err := httpapi.Decode(r, bodyLimit, &body); err != nil {
		return httpapi.Response{}, err
	}
	request, err := hotshow.ParseRequest(body, d.now())
	if err != nil {
		return httpapi.Response{}, err
	}
	needed := plan.New(request.Expected())
	show, first := hotshow.New(hotshow.NewID(d.Random), request, needed, by, d.now())
	err = d.Shows.Add(ctx, show, first)
	var taken *schedule.Taken
	if errors.As(err, &taken) {
		return d.taken(ctx, taken.By, request, by)
	}
	if err != nil {
		return httpapi.Response{}, err
	}
	show.Version = 1
	d.tell(ctx, r, show, first)
	return httpapi.OK(http.StatusCreated, show)
}

// taken answers who asks for an event that has a show: if it is their own and the same, with that.
func (d *Desk) taken(ctx context.Context, id string, request hotshow.Request, by hotshow.Person) (httpapi.Response, error) {
	other, err := d.Shows.Show(ctx, id)
	if err != nil {
		return httpapi.Response{}, err
	}
	if other.AskedBy.Same(by) && other.Request.Equal(request) && !other.State.Final() {
		return httpapi.OK(http.StatusOK, other)
	}
	return httpapi.Response{}, Taken(other)
}

// find reads the show that the request's path names. What cannot be an id never reaches the table.
func (d *Desk) find(ctx context.Context, r httpapi.Request) (hotshow.Show, error) {
	id := r.PathParameters[names.ShowParameter]
	if !hotshow.ValidID(id) {
		return hotshow.Show{}, NoSuchShow
	}
	return d.Shows.Show(ctx, id)
}

func (d *Desk) show(ctx context.Context, r httpapi.Request) (httpapi.Response, error) {
	show, err := d.find(ctx, r)
	if err != nil {
		return httpapi.Response{}, err
	}
	history, err := d.Shows.History(ctx, show.ID)
	if err != nil {
		return httpapi.Response{}, err
	}
	return httpapi.OK(http.StatusOK, Detailed{show, history})
}

// decide has somebody change a show. Whoever is overtaken decides again about what there is by then.
func (d *Desk) decide(ctx context.Context, r httpapi.Request, by hotshow.Person, change func(*hotshow.Show, string) (hotshow.Change, error)) (httpapi.Response, error) {
	given, err := decisionOf(r)
	if err != nil {
		return httpapi.Response{}, err
	}
	for attempt := 1; ; attempt++ {
		show, err := d.find(ctx, r)
		if err != nil {
			return httpapi.Response{}, err
		}
		if given.Changes != nil && *given.Changes != show.Changes {
			return httpapi.Response{}, WrongState(fmt.Errorf("it has had %d changes by now, and not %d: look at it again", show.Changes, *given.Changes))
		}
		made, err := change(&show, given.Why)
		if err != nil {
			return httpapi.Response{}, err
		}
		err = d.Shows.Save(ctx, &show, made)
		if errors.Is(err, schedule.ErrStale) && attempt < attempts {
			continue
		}
		if err != nil {
			return httpapi.Response{}, fmt.Errorf("%s by %s: %w", made.To, by, err)
		}
		d.tell(ctx, r, show, made)
		return httpapi.OK(http.StatusOK, show)
	}
}

// approve tells who may be the one who asked what to do about it.
func (d *Desk) approve(show *hotshow.Show, by hotshow.Person, why string) (hotshow.Change, error) {
	change, err := show.Approve(by, why, d.SelfApproval, d.now())
	if errors.Is(err, hotshow.ErrOwnRequest) && by != show.AskedBy && (by.Unnamed() || show.AskedBy.Unnamed()) {
		return hotshow.Change{}, Unnamed
	}
	return change, err
}

// decision is what somebody says who changes a show.
type decision struct {
	Why     string `json:"why"`
	Changes *int   `json:"changes"` // that the show had when they looked at it; nil: they do not say
}

// decisionOf reads a decision: of no body, an empty one.
func decisionOf(r httpapi.Request) (decision, error) {
	var given decision
	if r.Body == "" {
		return given, nil
	}
	var body json.RawMessage
	if err := httpapi.Decode(r, bodyLimit, &body); err != nil {
		return decision{}, err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields() // a reason that is misspelt would be lost
	if err := decoder.Decode(&given); err != nil {
		return decision{}, httpapi.BadRequest("Send {\"why\":\"…\"} with text, \"changes\" with a number, and nothing else, or no body.")
	}
	return given, hotshow.CheckWhy(given.Why)
}

// tell logs what has become of a show.
func (d *Desk) tell(ctx context.Context, r httpapi.Request, show hotshow.Show, c hotshow.Change) {
	d.Log.InfoContext(ctx, "show is "+string(c.To), "event", show.Request.Event, "show", show.ID, "by", c.By,
		"request", r.RequestContext.RequestID)
}
