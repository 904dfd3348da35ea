package plain

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"waitingroom/shared/httpapi"
	"waitingroom/shared/names"
)

// keep is how long a browser keeps the cookie: longer than a sale by default lasts.
const keep = 48 * time.Hour

// What precedes a cookie's value that is not a ticket alone. A ticket begins with its version.
const (
	secretMark  = "new."
	enteredMark = "in."
)

// Held is what a browser without JavaScript remembers of its visitor.
type Held struct {
	Ticket  string // empty before the visitor has joined
	Entered bool   // a pass has been issued for the ticket
	Secret  string // what the visitor is going to join with, so that a second tab has the same
}

// ReadHeld reads the request's cookie. What does not look like one of ours is as if it were not there;
// whether a ticket is good shows when it is used.
func ReadHeld(r httpapi.Request) Held {
	value := httpapi.Cookie(r, names.PlaceCookie)
	if secret, ok := strings.CutPrefix(value, secretMark); ok {
		if _, err := httpapi.Secret(secret); err != nil {
			return Held{}
		}
		return Held{Secret: secret}
	}
	ticket, entered := strings.CutPrefix(value, enteredMark)
	return Held{Ticket: ticket, Entered: entered && ticket != ""}
}

// Cookie is the header Set-Cookie that has the visitor's browser remember h. No script can read it,
// other sites cannot send it along with a form, and it is sent to the addresses of the place alone.
func (h Held) Cookie(r httpapi.Request, event string) string {
	value := h.Ticket
	switch {
	case h.Ticket == "":
		value = secretMark + h.Secret
	case h.Entered:
		value = enteredMark + h.Ticket
	}
	cookie := http.Cookie{
		Name: names.PlaceCookie, Value: value, Path: names.PathOf(names.PathPlace, event), MaxAge: int(keep / time.Second),
		Secure: httpapi.Encrypted(r), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	return cookie.String()
}

// NewSecret returns a secret to join with, of 16 random bytes.
func NewSecret(random io.Reader) (string, error) {
	var secret [16]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", fmt.Errorf("draw a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(secret[:]), nil
}
