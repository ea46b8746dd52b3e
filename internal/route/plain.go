package route

import "strings"

// mostEscaped is how many more times a path is unescaped than net/http does.
const mostEscaped = 3

// Plain is a path as those read it who take the most liberties: they unescape what was escaped several
// times, take backslashes for slashes, and leave the parameters of segments out (";v=1"), by which "..;"
// leads up.
func Plain(path string) string {
	if !strings.ContainsAny(path, `%;\`) {
		return path
	}
	b := []byte(path)
	for range mostEscaped {
		b = unescape(b)
	}
	plain, parameter := b[:0], false
	for _, c := range b {
		if c == '\\' {
			c = '/'
		}
		if parameter = c != '/' && (parameter || c == ';'); !parameter {
			plain = append(plain, c)
		}
	}
	return string(plain)
}

// unescape does so in place. What is no escape stays.
func unescape(b []byte) []byte {
	kept := b[:0]
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' && i+2 < len(b) {
			if high, low := unhex(b[i+1]), unhex(b[i+2]); high|low < 16 {
				c = high<<4 | low
				i += 2
			}
		}
		kept = append(kept, c)
	}
	return kept
}

// unhex is 255 for what is no digit.
func unhex(c byte) byte { return byte(strings.IndexByte("0123456789abcdef", c|0x20)) } //nolint:gosec // -1 is to be 255
