package route

import (
	"net/http"
	"net/url"
	slash "path"
	"strings"
)

// readings are a URL's path as others read it than a router may have: as a file server, unescaped,
// without empty segments, dots and ways up, and as those who take more liberties (Plain). There is
// none if there is but one way to read it.
func readings(u *url.URL) (others []string) {
	cleaned, plain := clean(u.Path), clean(Plain(u.Path))
	if u.RawPath != "" || cleaned != u.Path {
		others = append(others, cleaned)
	}
	if plain != cleaned {
		others = append(others, plain)
	}
	return others
}

func clean(p string) string {
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	cleaned := slash.Clean(p)
	if strings.HasSuffix(p, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return cleaned
}

// path is a table's key, in whatever router's spelling, to be compared with a path. It
// takes "{id}" and ":id" for any one segment, and "{path...}", "*path", "*" and a slash at
// the end for all that may follow. Where that is more than the router would match, a
// request with an odd path is asked for more, never less.
type path[V any] struct {
	method   string
	value    V
	segments []string
	kinds    string // of the segments: what sorts first is what a router prefers
}

// The kinds of segments.
const (
	literal = 'a'
	param   = 'b'
	rest    = 'c' // the segment is what the rest of the path begins with
)

func newPath[V any](key Key, value V) path[V] {
	_, pattern, _ := strings.Cut(key.Pattern, "/") // net/http's may have a host in front
	p := path[V]{method: key.Method, value: value, segments: strings.Split(pattern, "/")}
	var kinds strings.Builder
	for i, s := range p.segments {
		last := i == len(p.segments)-1
		before, _, tail := strings.Cut(s, "*")
		switch {
		case last && s == "{$}":
			p.segments[i] = ""
			kinds.WriteByte(literal)
		case last && (s == "" || strings.HasSuffix(s, "...}")):
			p.segments[i] = ""
			kinds.WriteByte(rest)
		case last && tail && !strings.Contains(s, "{"):
			p.segments[i] = before
			kinds.WriteByte(rest)
		case strings.ContainsAny(s, "{:"):
			kinds.WriteByte(param)
		default:
			kinds.WriteByte(literal)
		}
	}
	p.kinds = kinds.String()
	return p
}

// matches compares with a path's segments.
func (p *path[V]) matches(method string, segments []string) bool {
	if p.method != "" && p.method != method && (p.method != http.MethodGet || method != http.MethodHead) {
		return false
	}
	for i := range p.segments {
		switch {
		case i >= len(segments):
			return false
		case p.kinds[i] == rest:
			return strings.HasPrefix(segments[i], p.segments[i])
		case p.kinds[i] == literal && p.segments[i] != segments[i]:
			return false
		}
	}
	return len(p.segments) == len(segments)
}

// before reports whether a router would rather match p than o: a literal rather than a
// parameter, a parameter rather than a tail, one method rather than all.
func (p *path[V]) before(o *path[V]) bool {
	if p.kinds != o.kinds {
		return p.kinds < o.kinds
	}
	return p.method != "" && o.method == ""
}
