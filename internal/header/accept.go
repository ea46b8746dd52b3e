// Package header reads and writes the header fields of denials and quotas.
package header

import (
	"cmp"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// PrefersHTML reports whether a request's Accept puts text/html above JSON, by RFC
// 9110, section 12.5.1: of the ranges that match, the most specific one gives the
// weight. JSON is application/problem+json and application/json, whichever weighs
// more. A tie is JSON's, and so is an Accept that is absent, has neither, or is
// malformed anywhere, or longer than mostAccepted: who wants a page says so, as browsers do.
func PrefersHTML(h http.Header) bool {
	var html, problem, plain weight
	for _, field := range accepted(h, "Accept") {
		for element := range elements(field) {
			if element = strings.Trim(element, " \t"); element == "" {
				continue // RFC 9110, section 5.6.1.2
			}
			r, ok := parseRange(element)
			if !ok {
				return false
			}
			html.consider(r, "text/html")
			problem.consider(r, "application/problem+json")
			plain.consider(r, "application/json")
		}
	}
	return html.q > max(problem.q, plain.q)
}

// mostAccepted is how many bytes of a field are read. Browsers send some 200. A megabyte takes a quarter of
// a second, which anybody could have us spend by a few kilobytes of HTTP/2.
const mostAccepted = 4096

// accepted are the lines of a field, or none if they are longer than anybody needs.
func accepted(h http.Header, field string) []string {
	n := 0
	for _, line := range h[field] {
		n += len(line)
	}
	if n > mostAccepted {
		return nil
	}
	return h[field]
}

// mediaRange is one element of Accept.
type mediaRange struct {
	name   string // lower case
	params int
	utf8   bool // the parameters, if any, are only the charset that we send
	q      float64
}

// parseRange reads a media range with its weight.
func parseRange(s string) (mediaRange, bool) {
	name, params, err := mime.ParseMediaType(s)
	kind, sub, ok := strings.Cut(name, "/")
	if err != nil || !ok || kind == "*" && sub != "*" {
		return mediaRange{}, false
	}
	r := mediaRange{name: name, utf8: true, q: 1}
	for key, value := range params {
		if key == "q" {
			if r.q, ok = qvalue(value); !ok {
				return mediaRange{}, false
			}
			continue
		}
		r.params++
		r.utf8 = r.utf8 && key == "charset" && strings.EqualFold(value, "utf-8")
	}
	return r, true
}

// qvalue is RFC 9110, section 12.4.2: 0 to 1 with at most three decimals.
func qvalue(s string) (float64, bool) {
	whole, decimals, _ := strings.Cut(s, ".")
	if whole != "0" && whole != "1" || len(decimals) > 3 || strings.Trim(decimals, "0123456789") != "" {
		return 0, false
	}
	q, err := strconv.ParseFloat(s, 64)
	return q, err == nil && q <= 1
}

// weight is what the most specific range so far says of one media type.
type weight struct {
	q           float64
	specificity int
}

func (w *weight) consider(r mediaRange, mediaType string) {
	kind, _, _ := strings.Cut(mediaType, "/")
	specificity := 1 + slices.Index([]string{"*/*", kind + "/*", mediaType}, r.name)
	if specificity == 0 || !r.utf8 {
		return
	}
	specificity = 100*specificity + r.params
	switch {
	case specificity > w.specificity:
		w.q, w.specificity = r.q, specificity
	case specificity == w.specificity:
		w.q = max(w.q, r.q)
	}
}

// elements are the parts of a list between its commas; those in quotes are none.
func elements(list string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(list); i++ {
			switch c := list[i]; {
			case quoted && c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case c == ',' && !quoted:
				if !yield(list[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(list[start:])
	}
}

// Vary adds a request field to Vary, once.
func Vary(h http.Header, field string) {
	for _, vary := range h["Vary"] {
		for name := range strings.SplitSeq(vary, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, field) {
				return
			}
		}
	}
	h.Add("Vary", field)
}

// Languages are the tags of a request's Accept-Language, the one that is preferred first (RFC
// 9110, section 12.5.4), without those of weight 0, "*", and what is malformed; none of a field that is
// longer than mostAccepted.
func Languages(h http.Header) []string {
	type language struct {
		tag string
		q   float64
	}
	var all []language
	for _, field := range accepted(h, "Accept-Language") {
		for element := range elements(field) {
			tag, weight, weighed := strings.Cut(element, ";")
			l := language{strings.Trim(tag, " \t"), 1}
			if weighed {
				q, ok := qvalue(strings.TrimPrefix(strings.Trim(weight, " \t"), "q="))
				if l.q = q; !ok {
					continue
				}
			}
			if l.q > 0 && l.tag != "" && strings.Trim(strings.ToLower(l.tag), "abcdefghijklmnopqrstuvwxyz0123456789-") == "" {
				all = append(all, l)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b language) int { return cmp.Compare(b.q, a.q) })
	tags := make([]string, len(all))
	for i := range all {
		tags[i] = all[i].tag
	}
	return tags
}
