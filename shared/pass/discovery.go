package pass

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"waitingroom/shared/names"
)

// discovery is what OpenID Connect Discovery 1.0 section 3 requires of a provider. Gateways read
// the issuer and the address of the keys; the rest is there so that strict readers accept it. A
// provider that only offers id_token needs no token endpoint.
type discovery struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	JWKS                  string   `json:"jwks_uri"`
	ResponseTypes         []string `json:"response_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	Algorithms            []string `json:"id_token_signing_alg_values_supported"`
	Claims                []string `json:"claims_supported"`
}

// Discovery returns the OpenID Connect discovery document of the room at issuer, an http or https
// address without a trailing slash, a query or a fragment. The authorization endpoint is the room
// itself: that is where a visitor has to go to get a pass.
func Discovery(issuer string) ([]byte, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("pass: issuer: %w", err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.HasSuffix(issuer, "/") ||
		strings.ContainsAny(issuer, "?#") {
		return nil, fmt.Errorf("pass: issuer %q has to be an https address without trailing slash, query or fragment", issuer)
	}
	return json.Marshal(discovery{
		Issuer:                issuer,
		AuthorizationEndpoint: issuer + "/",
		JWKS:                  issuer + names.JWKSPath,
		ResponseTypes:         []string{"id_token"},
		SubjectTypes:          []string{"public"},
		Algorithms:            []string{RS256},
		Claims:                []string{"iss", "aud", "sub", "event", "iat", "exp", "jti"},
	})
}
