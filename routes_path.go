package gate

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// cleanPath is a URL's path as a file server reads it: unescaped, without empty segments,
// dots and ways up. other says that a router may have read another one.
func cleanPath(u *url.URL) (cleaned string, other bool) {
	p := u.Path
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	cleaned = path.Clean(p)
	if strings.HasSuffix(p, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return cleaned, u.RawPath != "" || cleaned != u.Path
}

// pathPattern is a table's key, in whatever router's spelling, to be compared with a path. It
// takes "{id}" and ":id" for any one segment, and "{path...}", "*path", "*" and a slash at
// the end for all that may follow. Where that is more than the router would match, a
// request with an odd path is asked for more, never less.
type pathPattern struct {
	method   string
	guard    *Guard
	segments []string
	kinds    string // of the segments: what sorts first is what a router prefers
}

// The kinds of segments.
const (
	kindLiteral = 'a'
	kindParam   = 'b'
	kindTail    = 'c' // the segment is what the rest of the path begins with
)

func newPathPattern(key routeKey, guard *Guard) pathPattern {
	_, pattern, _ := strings.Cut(key.pattern, "/") // net/http's may have a host in front
	p := pathPattern{method: key.method, guard: guard, segments: strings.Split(pattern, "/")}
	var kinds strings.Builder
	for i, s := range p.segments {
		last := i == len(p.segments)-1
		before, _, tail := strings.Cut(s, "*")
		switch {
		case last && s == "{$}":
			p.segments[i] = ""
			kinds.WriteByte(kindLiteral)
		case last && (s == "" || strings.HasSuffix(s, "...}")):
			p.segments[i] = ""
			kinds.WriteByte(kindTail)
		case last && tail && !strings.Contains(s, "{"):
			p.segments[i] = before
			kinds.WriteByte(kindTail)
		case strings.ContainsAny(s, "{:"):
			kinds.WriteByte(kindParam)
		default:
			kinds.WriteByte(kindLiteral)
		}
	}
	p.kinds = kinds.String()
	return p
}

// matches compares with a path's segments.
func (p *pathPattern) matches(method string, segments []string) bool {
	if p.method != "" && p.method != method && (p.method != http.MethodGet || method != http.MethodHead) {
		return false
	}
	for i := range p.segments {
		switch {
		case i >= len(segments):
			return false
		case p.kinds[i] == kindTail:
			return strings.HasPrefix(segments[i], p.segments[i])
		case p.kinds[i] == kindLiteral && p.segments[i] != segments[i]:
			return false
		}
	}
	return len(p.segments) == len(segments)
}

// before reports whether a router would rather match p than o: a literal rather than a
// parameter, a parameter rather than a tail, one method rather than all.
func (p *pathPattern) before(o *pathPattern) bool {
	if p.kinds != o.kinds {
		return p.kinds < o.kinds
	}
	return p.method != "" && o.method == ""
}
