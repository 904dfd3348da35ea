package place

import (
	"image/color"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"

	"waitingroom/shared/httpapi"
)

// maxCode is the largest body that asks for a code, in bytes.
const maxCode = 512

// run is a run's id as it is written everywhere.
var run = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Code is a QR code as the path of an SVG: dark modules, one unit wide, without the quiet zone.
type Code struct {
	Size int    `json:"size"` // modules of a side
	Path string `json:"path"`
}

// code answers `POST /v1/events/{event}/qr` with the code of the link that carries a place to another
// device. It leads to the room's own address, whatever the request says, and reads nothing.
func (g *Guide) code(event string, r httpapi.Request) (httpapi.Response, error) {
	var body struct {
		Secret string `json:"secret"`
		Run    string `json:"run"`
	}
	if err := httpapi.Decode(r, maxCode, &body); err != nil {
		return httpapi.Response{}, err
	}
	if _, err := httpapi.Secret(body.Secret); err != nil {
		return httpapi.Response{}, err
	}
	if !run.MatchString(body.Run) {
		return httpapi.Response{}, httpapi.BadRequest("The run has to be 32 hexadecimal digits, as the status has it.")
	}
	code, err := draw(g.Issuer + "/" + event + "#place=" + body.Run + "." + body.Secret)
	if err != nil {
		return httpapi.Response{}, err
	}
	return httpapi.OK(http.StatusOK, code)
}

// draw makes a code that is still read with 15 % of it spoilt (ISO/IEC 18004, level M). Dark modules
// beside each other in a row are one rectangle.
func draw(text string) (Code, error) {
	image, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return Code{}, err
	}
	size := image.Bounds().Dx()
	dark := func(x, y int) bool { return x < size && image.At(x, y) == color.Black }
	var path strings.Builder
	for y := range size {
		for x := 0; x < size; x++ {
			if !dark(x, y) {
				continue
			}
			from := x
			for dark(x, y) {
				x++
			}
			path.WriteString("M" + strconv.Itoa(from) + " " + strconv.Itoa(y) +
				"h" + strconv.Itoa(x-from) + "v1H" + strconv.Itoa(from) + "z")
		}
	}
	return Code{size, path.String()}, nil
}
