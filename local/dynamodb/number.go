package dynamodb

import (
	"math/big"
	"strconv"
	"strings"
)

// The range of DynamoDB's numbers: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
const (
	mostDigits      = 38
	largestExponent = 125  // of the first digit
	leastExponent   = -130 // of the first digit
)

// quickDigits is how long a whole number may be to be added in 64 bits without overflow.
const quickDigits = 18

// isQuick reports whether s is a whole number in the form that the table keeps, and short.
func isQuick(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == 0 || len(digits) > quickDigits || digits[0] == '0' && s != "0" {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

// normalNumber returns the one form in which the table keeps a number: plain digits without an
// exponent and without zeros that say nothing.
func normalNumber(s string) (string, error) {
	if isQuick(s) {
		return s, nil
	}
	d, ok := parseDecimal(s)
	if !ok {
		return "", invalid("The parameter cannot be converted to a numeric value: %s", s)
	}
	return d.inRange()
}

// decimal is ±0.digits × 10^point. Digits neither begin nor end with a zero; zero has none.
type decimal struct {
	negative bool
	digits   string
	point    int
}

func parseDecimal(s string) (decimal, bool) {
	var d decimal
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.negative, s = s[0] == '-', s[1:]
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(s[i+1:]); err != nil {
			return d, false
		}
		mantissa = s[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return d, false
	}
	trimmed := strings.TrimLeft(digits, "0")
	d.point = len(whole) - (len(digits) - len(trimmed)) + exponent
	d.digits = strings.TrimRight(trimmed, "0")
	if d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

func (d decimal) inRange() (string, error) {
	switch first := d.point - 1; {
	case d.digits == "":
	case first > largestExponent:
		return "", invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case first < leastExponent:
		return "", invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case len(d.digits) > mostDigits:
		return "", invalid("Attempting to store more than 38 significant digits in a Number")
	}
	return d.String(), nil
}

func (d decimal) String() string {
	sign := ""
	if d.negative {
		sign = "-"
	}
	switch {
	case d.digits == "":
		return "0"
	case d.point <= 0:
		return sign + "0." + strings.Repeat("0", -d.point) + d.digits
	case d.point >= len(d.digits):
		return sign + d.digits + strings.Repeat("0", d.point-len(d.digits))
	}
	return sign + d.digits[:d.point] + "." + d.digits[d.point:]
}

// scaled is d × 10^places, which must be whole.
func (d decimal) scaled(places int) *big.Int {
	n, _ := new(big.Int).SetString("0"+d.digits+strings.Repeat("0", d.point+places-len(d.digits)), 10)
	if d.negative {
		n.Neg(n)
	}
	return n
}

// places is how many digits d has after the point.
func (d decimal) places() int { return max(len(d.digits)-d.point, 0) }

// together are two numbers as whole ones of the same unit, 10^-places.
func together(a, b string) (x, y *big.Int, places int) {
	da, _ := parseDecimal(a)
	db, _ := parseDecimal(b)
	places = max(da.places(), db.places())
	return da.scaled(places), db.scaled(places), places
}

// sum adds b to a, or takes it away. Both are in the form that the table keeps.
func sum(a, b string, minus bool) (string, error) {
	if isQuick(a) && isQuick(b) {
		x, _ := strconv.ParseInt(a, 10, 64)
		y, _ := strconv.ParseInt(b, 10, 64)
		if minus {
			y = -y
		}
		return strconv.FormatInt(x+y, 10), nil
	}
	x, y, places := together(a, b)
	if minus {
		y.Neg(y)
	}
	d, _ := parseDecimal(x.Add(x, y).String() + "e-" + strconv.Itoa(places))
	return d.inRange()
}

// compareNumbers is negative, zero or positive as a is less than, equal to or greater than b, both in
// the form that the table keeps.
func compareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	if isQuick(a) && isQuick(b) {
		x, _ := strconv.ParseInt(a, 10, 64)
		y, _ := strconv.ParseInt(b, 10, 64)
		if x < y {
			return -1
		}
		return 1
	}
	x, y, _ := together(a, b)
	return x.Cmp(y)
}

// numberSize is what a number in the form that the table keeps counts for, in bytes: one for two
// digits, one more, and one for the sign.
func numberSize(s string) int {
	digits, sign := strings.TrimPrefix(s, "-"), 0
	if len(digits) < len(s) {
		sign = 1
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	significant := len(whole) + len(fraction)
	if fraction == "" {
		significant = len(strings.TrimRight(whole, "0"))
	} else if whole == "0" {
		significant = len(strings.TrimLeft(fraction, "0"))
	}
	return (significant+1)/2 + 1 + sign
}
