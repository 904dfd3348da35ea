package tick

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"waitingroom/shared/names"
	"waitingroom/shared/pass"
	"waitingroom/shared/room"
)

// heartbeat is how often a status that says nothing new is published all the same, so that pages
// can tell a quiet sale from a dead one. It is measured to the nearest step.
const heartbeat = 5 * time.Second

// publishLimit is what a step gives each document. A seal and a status that both hang cost two
// seconds: the pointer makes up for as much, and no standby takes the leader for dead.
const publishLimit = time.Second

// statusMemory is what was last published.
type statusMemory struct {
	content []byte // without what changes at every step
	at      time.Duration
}

// StatusPath is where an event's status is published, without the leading slash.
func StatusPath(event string) string {
	return strings.TrimPrefix(names.StatusPrefix, "/") + event + ".json"
}

// DrawPath is where the draw key of a run that is over is published for good, without the leading
// slash.
func DrawPath(run room.Run) string {
	return runFolder(run) + "draw.json"
}

func drawDocument(st room.State, drawKey [32]byte) []byte {
	document, err := json.Marshal(struct {
		Event   string `json:"event"`
		Run     string `json:"run"`
		Cohorts int64  `json:"cohorts"`
		Line    int64  `json:"line"`
		Commit  string `json:"commit"`
		DrawKey string `json:"draw_key"`
	}{st.Event, st.ID, st.Cohort, st.Base, st.Commit, hex.EncodeToString(drawKey[:])})
	if err != nil {
		panic(err) // texts and numbers always marshal
	}
	return document
}

// put publishes a document within publishLimit.
func (t *Ticker) put(ctx context.Context, path string, document []byte) error {
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	return t.Publisher.Put(ctx, path, document)
}

// publish writes the status of st, which is known to be stored, if it says anything new or the
// last one is some time ago. A status that is not written is written at the next step.
func (l *leader) publish(ctx context.Context, st room.State) error {
	drawKey := st.DrawKey(l.Secret)
	if st.Over() && room.Commit(drawKey) != st.Commit {
		return errForeignSecret // the status that is published already has the right key
	}
	status := room.NewStatus(st, l.pacing, l.settings, drawKey)
	bare := status
	bare.Version, bare.Time = 0, ""
	content, err := json.Marshal(bare)
	if err != nil {
		return err
	}
	if bytes.Equal(content, l.status.content) && l.Monotonic()-l.status.at < heartbeat-stepEvery/2 {
		return nil
	}
	document, err := json.Marshal(status)
	if err != nil {
		return err
	}
	if st.Over() {
		// The next run's status takes the place of this one; the key stays with the seals.
		if err := l.put(ctx, DrawPath(st.Run), drawDocument(st, drawKey)); err != nil {
			return fmt.Errorf("publish the draw key: %w", err)
		}
	}
	if err := l.put(ctx, StatusPath(l.event), document); err != nil {
		return fmt.Errorf("publish the status: %w", err)
	}
	l.status = statusMemory{content, l.Monotonic()}
	return nil
}

// WellKnown returns the documents by which anybody can check a pass, by the path they are
// published at.
func WellKnown(issuer string, key crypto.PublicKey) (map[string][]byte, error) {
	jwks, err := pass.JWKS(key)
	if err != nil {
		return nil, err
	}
	discovery, err := pass.Discovery(issuer)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		strings.TrimPrefix(names.JWKSPath, "/"): jwks,
		strings.TrimPrefix(names.OIDCPath, "/"): discovery,
	}, nil
}
