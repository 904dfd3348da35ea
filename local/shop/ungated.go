package shop

import (
	"crypto/rand"
	"net/http"
)

// VisitorHeader names a visitor at the door without a room, where no cookie is kept.
const VisitorHeader = "Shop-Visitor"

// visitorCookie names a visitor whose client keeps cookies.
const visitorCookie = "shop_visitor"

// longestName is that of a visitor who chose it, in bytes.
const longestName = 64

// Ungated is a door without the room: whoever comes may take both steps, with the same workers and
// the same orders as behind the gate. It is there to show what a crowd does to a shop, and belongs
// on a listener of its own that only that comparison has.
func (s *Shop) Ungated() http.Handler {
	return s.routes(func(serve step) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name, ok := named(r)
			switch {
			case ok:
			case r.Method == http.MethodPost:
				http.Error(w, "Who orders? Send the checkout's cookie, or 1 to 64 characters in "+VisitorHeader+".", http.StatusBadRequest)
				return
			default:
				name = rand.Text()
				http.SetCookie(w, &http.Cookie{Name: visitorCookie, Value: name, Path: Path, HttpOnly: true, SameSite: http.SameSiteLaxMode})
			}
			serve(w, r, guest{name: name})
		})
	})
}

// named returns the name that the visitor brings along.
func named(r *http.Request) (name string, ok bool) {
	name = r.Header.Get(VisitorHeader)
	if name == "" {
		if cookie, err := r.Cookie(visitorCookie); err == nil {
			name = cookie.Value
		}
	}
	return name, name != "" && len(name) <= longestName
}
