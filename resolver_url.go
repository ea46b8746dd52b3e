package gate

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// FromPath names the customer by the request's path, whichever the router: template is
// what the path begins with, segment by segment. {customer} and {resource} stand for the
// ids, * for any one segment, the rest for themselves:
//
//	gate.FromPath("/orgs/{customer}")            // /orgs/acme, /orgs/acme/campaigns/7
//	gate.FromPath("/*/sites/{resource}")         // /v1/sites/site-1, for any customer
//
// It reads r.URL.Path as it reaches the gate, so give the whole path, group prefixes
// included; http.StripPrefix takes some away, chi's Mount doesn't. A path that begins
// otherwise, or is too short, is ErrNoCustomer. One that another router, proxy or handler
// could read as another customer's, or as anybody's at all, is an *UntrustedIdentityError: by empty
// segments, which some leave out, or escaped slashes, which some split at. So is any path
// with a dot segment.
//
// Anybody can ask for any path, so this names and does not authenticate: put it into
// Agree behind a verified identity.
func FromPath(template string) Resolver {
	want, ok := parseTemplate(template)
	if !ok {
		return nil
	}
	return func(r *http.Request) (Customer, error) {
		if r.URL == nil || !strings.HasPrefix(r.URL.Path, "/") {
			return Customer{}, ErrNoCustomer
		}
		path := r.URL.Path
		segments := strings.Split(path[1:], "/")
		if slices.Contains(segments, ".") || slices.Contains(segments, "..") {
			return Customer{}, &UntrustedIdentityError{"path", "has a dot segment"}
		}
		c, named := match(want, segments)
		if strings.Contains(path, "//") && !agrees(want, slices.DeleteFunc(segments, isEmpty), c, named) {
			return Customer{}, &UntrustedIdentityError{"path", "has an empty segment"}
		}
		if !agrees(want, unescaped(r.URL), c, named) {
			return Customer{}, &UntrustedIdentityError{"path", "has an escaped slash"}
		}
		if !named {
			return Customer{}, ErrNoCustomer
		}
		return c, nil
	}
}

// Segments of a template that stand for something; no literal has braces.
const (
	customerSegment = "{customer}"
	resourceSegment = "{resource}"
	anySegment      = "*"
)

func parseTemplate(template string) ([]string, bool) {
	rest, absolute := strings.CutPrefix(template, "/")
	if !absolute {
		return nil, false
	}
	segments := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	customers, resources := 0, 0
	for _, s := range segments {
		switch s {
		case customerSegment:
			customers++
		case resourceSegment:
			resources++
		case anySegment:
		case "", ".", "..":
			return nil, false
		default:
			if strings.ContainsAny(s, "{}*%?#") {
				return nil, false
			}
		}
	}
	return segments, customers < 2 && resources < 2 && customers+resources > 0
}

// match reports whether a path begins as the template says, and whom it names then.
func match(want, segments []string) (c Customer, ok bool) {
	if len(segments) < len(want) {
		return Customer{}, false
	}
	for i, segment := range segments[:len(want)] {
		switch w := want[i]; {
		case segment == "":
			return Customer{}, false
		case w == customerSegment:
			c.ID = segment
		case w == resourceSegment:
			c.Resource = segment
		case w != anySegment && w != segment:
			return Customer{}, false
		}
	}
	return c, true
}

// agrees reports whether another reading of a path comes to the same; nil is no reading.
func agrees(want, segments []string, c Customer, named bool) bool {
	other, ok := match(want, segments)
	return segments == nil || other == c && ok == named
}

// unescaped is a path as those read it who split it before they unescape it, if that can
// make a difference.
func unescaped(u *url.URL) []string {
	escaped := u.EscapedPath()
	if !strings.Contains(escaped, "%2F") && !strings.Contains(escaped, "%2f") {
		return nil
	}
	segments := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i, s := range segments {
		segments[i], _ = url.PathUnescape(s) // EscapedPath is valid
	}
	return segments
}

func isEmpty(s string) bool { return s == "" }

// FromPathValue names the customer by wildcards of the route, as r.PathValue gives them:
// for "/orgs/{org}/sites/{site}" by FromPathValue("org", "site"). One of the two may be
// empty, and is left out. A wildcard that the route doesn't have, or that is empty, is an
// *UntrustedIdentityError, so that a misspelled name denies at the first try.
//
// net/http's ServeMux fills path values, and chi from v5.1; both only behind the route, so
// not for a table in front of the router (Routes). gin and echo never do. FromPath works
// for all of them. Like it, this names and does not authenticate: put it into Agree behind
// a verified identity.
func FromPathValue(customer, resource string) Resolver {
	if customer == "" && resource == "" {
		return nil
	}
	return func(r *http.Request) (c Customer, err error) {
		for _, wildcard := range []struct {
			name string
			id   *string
		}{{customer, &c.ID}, {resource, &c.Resource}} {
			if wildcard.name == "" {
				continue
			}
			if *wildcard.id = r.PathValue(wildcard.name); *wildcard.id == "" {
				return Customer{}, &UntrustedIdentityError{"path wildcard " + wildcard.name, "is not in the route, or empty"}
			}
		}
		return c, nil
	}
}

// FromSubdomain names the customer by the label in front of domain: "acme" by
// acme.example.com for FromSubdomain("example.com"). It reads r.Host, its port left out,
// in any case and with or without the final dot; X-Forwarded-Host is not looked at, since
// clients can send that. The label is made lower case, so ids must be, too.
//
// The domain itself, the reserved labels ("www", "api"), and hosts of other domains, IP
// addresses included, name nobody: ErrNoCustomer. Several labels in front of the domain,
// and what is no host name, are an *UntrustedIdentityError.
//
// Clients choose the Host that they send, so this names and does not authenticate: put it
// into Agree behind a verified identity.
func FromSubdomain(domain string, reserved ...string) Resolver {
	domain, ok := hostname(domain)
	if labels := strings.Split(domain, "."); !ok || allDigits(labels[len(labels)-1]) {
		return nil
	}
	taken := map[string]bool{}
	for _, name := range reserved {
		label, ok := hostname(name)
		if !ok || strings.Contains(label, ".") {
			return nil
		}
		taken[label] = true
	}
	suffix := "." + domain
	return func(r *http.Request) (Customer, error) {
		host, port, _ := strings.Cut(r.Host, ":")
		if r.Host == "" || isIP(r.Host) {
			return Customer{}, ErrNoCustomer
		}
		host, ok := hostname(host)
		if !ok || !allDigits(port) {
			return Customer{}, &UntrustedIdentityError{"host", "is no host name"}
		}
		label, below := strings.CutSuffix(host, suffix)
		switch {
		case !below, taken[label]:
			return Customer{}, ErrNoCustomer
		case strings.Contains(label, "."):
			return Customer{}, &UntrustedIdentityError{"host", "has several labels in front of the domain"}
		}
		return Customer{ID: label}, nil
	}
}

// isIP reports whether a Host is an address, of IPv4 or in brackets of IPv6, with or
// without a port.
func isIP(host string) bool {
	if _, err := netip.ParseAddrPort(host); err == nil {
		return true
	}
	inner, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(inner)
	return err == nil && (addr.Is4() || bracketed)
}

// hostname returns a host name in lower case without its final dot, if it is one: labels
// of ASCII letters, digits, - and _, of RFC 1123's lengths.
func hostname(s string) (string, bool) {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for i := range len(label) {
			c := label[i]
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return "", false
			}
		}
	}
	return strings.ToLower(s), true
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }
