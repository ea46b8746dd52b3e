package identity

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/route"
)

// FromPath names the customer by the request's path, whichever the router: template is
// what the path begins with, segment by segment. {customer} and {resource} stand for the
// ids, * for any one segment, the rest for themselves:
//
//	identity.FromPath("/orgs/{customer}")            // /orgs/acme, /orgs/acme/campaigns/7
//	identity.FromPath("/*/sites/{resource}")         // /v1/sites/site-1, for any customer
//
// It reads r.URL.Path as it reaches the gate, so give the whole path, group prefixes
// included; http.StripPrefix takes some away, chi's Mount doesn't. A path that begins
// otherwise, or is too short, is gate.ErrNoCustomer. One that another router, proxy or handler
// could read as another customer's, or as anybody's at all, is an *UntrustedIdentityError: by empty
// segments, which some leave out, escaped slashes, which some split at, words of the template in
// another case, which some, such as fiber, take for the same, parameters of segments ("/orgs;v=1"), which
// some leave out, backslashes, and what is escaped twice. So is any path with a dot segment, "..;" included.
//
// Anybody can ask for any path, so this names and does not authenticate: put it into
// Agree behind a verified identity.
func FromPath(template string) gate.Resolver {
	want, problem := parseTemplate(template)
	if problem != "" {
		return wrong("FromPath", fmt.Sprintf("the template %q %s", template, problem))
	}
	return resolver{names: "FromPath", resolve: func(r *http.Request) (gate.Customer, error) {
		if r.URL == nil || !strings.HasPrefix(r.URL.Path, "/") {
			return gate.Customer{}, gate.ErrNoCustomer
		}
		path := r.URL.Path
		plain := route.Plain(path)
		for segment := range strings.SplitSeq(plain, "/") {
			if segment == "." || segment == ".." {
				return gate.Customer{}, &UntrustedIdentityError{"path", "has a dot segment"}
			}
		}
		segments := beginning(path, len(want))
		c, named := match(want, segments, exactly)
		if strings.Contains(path, "//") && !agrees(want, filled(path, len(want)), c, named) {
			return gate.Customer{}, &UntrustedIdentityError{"path", "has an empty segment"}
		}
		if !agrees(want, unescaped(r.URL, len(want)), c, named) {
			return gate.Customer{}, &UntrustedIdentityError{"path", "has an escaped slash"}
		}
		if !named && begins(want, segments, strings.EqualFold) {
			return gate.Customer{}, &UntrustedIdentityError{"path", "has a word of the template in another case"}
		}
		if plain != path || strings.Contains(path, "//") {
			if other, ok := match(want, filled(plain, len(want)), strings.EqualFold); ok != named || other != c {
				return gate.Customer{}, &UntrustedIdentityError{"path", "can be read in another way"}
			}
		}
		if !named {
			return gate.Customer{}, gate.ErrNoCustomer
		}
		return c, nil
	}}
}

// Segments of a template that stand for something; no literal has braces.
const (
	customerSegment = "{customer}"
	resourceSegment = "{resource}"
	anySegment      = "*"
)

// parseTemplate returns the segments of a template, or what is wrong with it.
func parseTemplate(template string) (segments []string, problem string) {
	rest, absolute := strings.CutPrefix(template, "/")
	if !absolute {
		return nil, "does not begin with a slash"
	}
	segments = strings.Split(strings.TrimSuffix(rest, "/"), "/")
	customers, resources := 0, 0
	for _, s := range segments {
		switch s {
		case customerSegment:
			customers++
		case resourceSegment:
			resources++
		case anySegment:
		case "", ".", "..":
			return nil, "has an empty segment or a dot segment"
		default:
			if strings.ContainsAny(s, "{}*%?#;\\") {
				return nil, fmt.Sprintf("has a segment %q, which is neither {customer}, {resource}, * nor a plain word", s)
			}
		}
	}
	switch {
	case customers+resources == 0:
		return nil, "has neither {customer} nor {resource}"
	case customers > 1 || resources > 1:
		return nil, "has the same name twice"
	}
	return segments, ""
}

func exactly(a, b string) bool { return a == b }

// match reports whether a path begins as the template says, its words compared by same, and whom it
// names then.
func match(want, segments []string, same func(a, b string) bool) (c gate.Customer, ok bool) {
	if !begins(want, segments, same) {
		return gate.Customer{}, false
	}
	for i, w := range want {
		switch w {
		case customerSegment:
			c.ID = segments[i]
		case resourceSegment:
			c.Resource = segments[i]
		}
	}
	return c, true
}

// begins reports whether a path begins as the template says, its words compared by same.
func begins(want, segments []string, same func(a, b string) bool) bool {
	if len(segments) < len(want) {
		return false
	}
	for i, segment := range segments[:len(want)] {
		w := want[i]
		named := w == customerSegment || w == resourceSegment || w == anySegment
		if segment == "" || !named && !same(w, segment) {
			return false
		}
	}
	return true
}

// agrees reports whether another reading of a path comes to the same; nil is no reading.
func agrees(want, segments []string, c gate.Customer, named bool) bool {
	other, ok := match(want, segments, exactly)
	return segments == nil || other == c && ok == named
}

// beginning is the first n segments of a path, or as many as there are. A path may have half a million.
func beginning(path string, n int) []string {
	segments := strings.SplitN(strings.TrimPrefix(path, "/"), "/", n+1)
	return segments[:min(n, len(segments))]
}

// filled is the beginning of a path as those read it who leave empty segments out.
func filled(path string, n int) []string {
	segments := make([]string, 0, n)
	for segment := range strings.SplitSeq(path, "/") {
		if len(segments) == n {
			break
		}
		if segment != "" {
			segments = append(segments, segment)
		}
	}
	return segments
}

// unescaped is the beginning of a path as those read it who split it before they unescape it, if that
// can make a difference.
func unescaped(u *url.URL, n int) []string {
	if u.RawPath == "" { // which has what is escaped beyond need
		return nil
	}
	escaped := u.EscapedPath()
	if !strings.Contains(escaped, "%2F") && !strings.Contains(escaped, "%2f") {
		return nil
	}
	segments := beginning(escaped, n)
	for i, s := range segments {
		segments[i], _ = url.PathUnescape(s) // EscapedPath is valid
	}
	return segments
}

// FromPathValue names the customer by wildcards of the route, as r.PathValue gives them:
// for "/orgs/{org}/sites/{site}" by FromPathValue("org", "site"). One of the two may be
// empty, and is left out. A wildcard that the route doesn't have, or that is empty, is an
// *UntrustedIdentityError, so that a misspelled name denies at the first try.
//
// net/http's ServeMux fills path values, and chi from v5.1; both only behind the route, so
// not for a table in front of the router (Routes). gin and echo never do. FromPath works
// for all of them. Like it, this names and does not authenticate: put it into Agree behind
// a verified identity.
func FromPathValue(customer, resource string) gate.Resolver {
	if customer == "" && resource == "" {
		return wrong("FromPathValue", "both wildcards have no name")
	}
	return resolver{names: "FromPathValue", resolve: func(r *http.Request) (c gate.Customer, err error) {
		for _, wildcard := range []struct {
			name string
			id   *string
		}{{customer, &c.ID}, {resource, &c.Resource}} {
			if wildcard.name == "" {
				continue
			}
			if *wildcard.id = r.PathValue(wildcard.name); *wildcard.id == "" {
				return gate.Customer{}, &UntrustedIdentityError{"path wildcard " + wildcard.name, "is not in the route, or empty"}
			}
		}
		return c, nil
	}}
}
