package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// maxPass is the longest pass that is looked at, in bytes. Browsers drop a cookie of more than 4096
// with its name; a pass of the room has some 900.
const maxPass = 3800

var (
	// errNoPass means that the request brought nothing to check: send the visitor to the room.
	errNoPass = errors.New("no pass")
	// errBadPass means that the pass opens nothing here, now or later: send the visitor to the room.
	errBadPass = errors.New("bad pass")
	// errUnchecked means that the pass may be good and cannot be checked for want of keys: keep the
	// visitor here and let them try again, since the room would only hand out the same pass.
	errUnchecked = errors.New("pass cannot be checked")
)

// Check returns who holds a pass that came on another way than in a visitor's request. The error says why
// the gate lets nobody in with it, or that it cannot be checked now; it never quotes the pass.
func (g *Gate) Check(ctx context.Context, token string) (Visitor, error) {
	if len(token) > maxPass {
		return Visitor{}, fmt.Errorf("%w: %d bytes", errBadPass, len(token))
	}
	// Only RS256: with more algorithms, the public key could be used as an HMAC key by anybody.
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return Visitor{}, fmt.Errorf("%w: %w", errBadPass, err)
	}
	key, err := g.keys.find(ctx, parsed.Headers[0].KeyID)
	if err != nil {
		return Visitor{}, err
	}
	var claims struct {
		jwt.Claims
		Event string `json:"event"`
	}
	if err := parsed.Claims(key, &claims); err != nil {
		return Visitor{}, fmt.Errorf("%w: %w", errBadPass, err)
	}
	if err := g.judge(claims.Claims, claims.Event); err != nil {
		return Visitor{}, fmt.Errorf("%w: %w", errBadPass, err)
	}
	return Visitor{ID: claims.Subject, Event: claims.Event, PassID: claims.ID,
		Issued: claims.IssuedAt.Time(), Expires: claims.Expiry.Time()}, nil
}

// judge looks at claims whose signature is good.
func (g *Gate) judge(c jwt.Claims, event string) error {
	// The library passes over claims that are missing, so they are asked for here.
	if c.Subject == "" || c.ID == "" || c.IssuedAt == nil || c.Expiry == nil {
		return errors.New("sub, jti, iat or exp is missing")
	}
	if event != g.event {
		return errors.New("another event's")
	}
	expected := jwt.Expected{Issuer: g.room, AnyAudience: jwt.Audience{g.audience}, Time: g.now()}
	return c.ValidateWithLeeway(expected, g.leeway)
}
