package admit

import (
	"crypto"

	"waitingroom/shared/pass"
)

// NewSigners returns the signers of both algorithms: RS256 with key, HS256 with the one that is
// derived from the deployment's secret.
func NewSigners(key crypto.Signer, secret []byte) (map[string]Signer, error) {
	rs256, err := pass.NewRS256(key)
	if err != nil {
		return nil, err
	}
	hs256, err := pass.NewHS256(pass.HMACKey(secret))
	if err != nil {
		return nil, err
	}
	return map[string]Signer{pass.RS256: rs256, pass.HS256: hs256}, nil
}
