package waitingroom

import (
	"fmt"
	"maps"
	"testing"

	"waitingroom/shared/names"
)

// headersOf is what a behaviour's policy sets, as the browser gets it.
func headersOf(t *testing.T, behavior map[string]any) map[string]string {
	t.Helper()
	policy := synthesised.document.Resources[references(behavior["ResponseHeadersPolicyId"])[0]]
	config := policy.Properties["ResponseHeadersPolicyConfig"].(map[string]any)
	for _, other := range []string{"CorsConfig", "CustomHeadersConfig", "RemoveHeadersConfig"} {
		if config[other] != nil {
			t.Errorf("%s is not read by this test", other)
		}
	}
	headers := map[string]string{}
	for kind, setting := range config["SecurityHeadersConfig"].(map[string]any) {
		setting := setting.(map[string]any)
		if setting["Override"] != true {
			t.Errorf("%s: the origin's header stands", kind)
		}
		switch kind {
		case "ContentSecurityPolicy":
			headers["Content-Security-Policy"] = setting["ContentSecurityPolicy"].(string)
		case "ContentTypeOptions":
			headers["X-Content-Type-Options"] = "nosniff"
		case "FrameOptions":
			headers["X-Frame-Options"] = setting["FrameOption"].(string)
		case "ReferrerPolicy":
			headers["Referrer-Policy"] = setting["ReferrerPolicy"].(string)
		case "StrictTransportSecurity":
			if setting["IncludeSubdomains"] != false || setting["Preload"] != false {
				t.Errorf("HSTS is asked for on names that are the team's: %v", setting)
			}
			headers["Strict-Transport-Security"] = fmt.Sprintf("max-age=%.0f", setting["AccessControlMaxAgeSec"])
		default:
			t.Errorf("%s is not known to this test", kind)
		}
	}
	return headers
}

// The page gets the headers under which it is tested; a year is what HSTS asks for everywhere.
func TestHeaders(t *testing.T) {
	const year = "max-age=31536000"
	page := maps.Clone(names.PageHeaders())
	page["Strict-Transport-Security"] = year
	document := map[string]string{
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff", "Strict-Transport-Security": year,
	}
	for pattern, want := range map[string]map[string]string{
		"*": page, "/assets/*": page,
		"/status/*": document, "/seals/*": document, "/.well-known/*": document,
		"/v1/*": {"Strict-Transport-Security": year},
	} {
		if got := headersOf(t, behaviors(t)[pattern]); !maps.Equal(got, want) {
			t.Errorf("%s: headers %q, want %q", pattern, got, want)
		}
	}
}
