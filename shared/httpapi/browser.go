package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// longestAccept bounds what is read of a header that lists preferences, in bytes.
const longestAccept = 1000

// PrefersHTML reports whether a request asks for a page rather than for JSON, as browsers do: who
// takes anything gets JSON, and who sends a ticket in a header is no browser.
func PrefersHTML(r Request) bool {
	accept := Header(r, "Accept")
	if Header(r, "Authorization") != "" || len(accept) > longestAccept {
		return false
	}
	html, json := 0.0, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		kind, parameters, _ := strings.Cut(part, ";")
		weight := weightOf(parameters)
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "text/html", "application/xhtml+xml":
			html = max(html, weight)
		case "application/json", "application/*", "*/*":
			json = max(json, weight)
		}
	}
	return html > json
}

// weightOf reads the parameter q of a media range; 1 without one (RFC 9110, 12.4.2), 0 for a bad one.
func weightOf(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		weight, err := strconv.ParseFloat(value, 64)
		if err != nil || !(weight >= 0 && weight <= 1) {
			return 0
		}
		return weight
	}
	return 1
}

// Cookie returns the value of the request's first cookie of a name, or "".
func Cookie(r Request, name string) string {
	sent := http.Request{Header: http.Header{"Cookie": {Header(r, "Cookie")}}}
	cookie, err := sent.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// SentByPage returns CrossSite if a browser says that another site has sent a form. Browsers that
// say nothing are let through.
func SentByPage(r Request) error {
	switch Header(r, "Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return nil
	}
	return CrossSite
}

// Encrypted reports whether the visitor came over https, as API Gateway tells: always, in production.
func Encrypted(r Request) bool { return Header(r, "X-Forwarded-Proto") != "http" }

// Form reads the request's form of at most limit bytes, as browsers send it (URL-encoded).
func Form(r Request, limit int) (url.Values, error) {
	body, err := Body(r, limit)
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, BadRequest("Send a form as a browser does: secret=<22 to 43 characters of base64url>.")
	}
	return values, nil
}

// SeeOther sends a browser to another address of the room with GET.
func SeeOther(location string) Response {
	return Response{StatusCode: http.StatusSeeOther, Headers: map[string]string{
		"Location": location, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
	}}
}
