package header

import (
	"math"
	"strconv"
	"strings"
)

// maxInteger is the greatest Integer of a structured field (RFC 9651, section 3.3.1).
const maxInteger = 999_999_999_999_999

// Integer is an amount as an Integer of a structured field, rounded down and never
// negative.
func Integer(n float64) (string, bool) {
	if !(n <= maxInteger) { // NaN
		return "", false
	}
	return strconv.FormatInt(int64(math.Floor(max(0, n))), 10), true
}

// String is s as a String of a structured field (RFC 9651, section 4.1.6).
func String(s string) (string, bool) {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "", false
		}
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, true
}

// LinkTarget is a URL as it may stand between < and > in a Link field (RFC 8288): what
// no URI has in it (RFC 3986) is percent-encoded.
func LinkTarget(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
