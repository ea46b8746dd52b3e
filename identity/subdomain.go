package identity

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/stiggate/gate"
)

// FromSubdomain names the customer by the label in front of domain: "acme" by
// acme.example.com for FromSubdomain("example.com"). It reads r.Host, its port left out,
// in any case and with or without the final dot; X-Forwarded-Host is not looked at, since
// clients can send that. The label is made lower case, so ids must be, too.
//
// The domain itself, the reserved labels ("www", "api"), and hosts of other domains, IP
// addresses included, name nobody: gate.ErrNoCustomer. Several labels in front of the domain,
// and what is no host name, are an *UntrustedIdentityError.
//
// Clients choose the Host that they send, so this names and does not authenticate: put it
// into Agree behind a verified identity.
func FromSubdomain(domain string, reserved ...string) gate.Resolver {
	given := domain
	domain, ok := hostname(domain)
	if labels := strings.Split(domain, "."); !ok || allDigits(labels[len(labels)-1]) {
		return wrong("FromSubdomain", fmt.Sprintf("the domain %q is no domain name", given))
	}
	taken := map[string]bool{}
	for _, name := range reserved {
		label, ok := hostname(name)
		if !ok || strings.Contains(label, ".") {
			return wrong("FromSubdomain", fmt.Sprintf("the reserved label %q is no label", name))
		}
		taken[label] = true
	}
	suffix := "." + domain
	return resolver{names: "FromSubdomain", resolve: func(r *http.Request) (gate.Customer, error) {
		host, port, _ := strings.Cut(r.Host, ":")
		if r.Host == "" || isIP(r.Host) {
			return gate.Customer{}, gate.ErrNoCustomer
		}
		host, ok := hostname(host)
		if !ok || !allDigits(port) {
			return gate.Customer{}, &UntrustedIdentityError{"host", "is no host name"}
		}
		label, below := strings.CutSuffix(host, suffix)
		switch {
		case !below, taken[label]:
			return gate.Customer{}, gate.ErrNoCustomer
		case strings.Contains(label, "."):
			return gate.Customer{}, &UntrustedIdentityError{"host", "has several labels in front of the domain"}
		}
		return gate.Customer{ID: label}, nil
	}}
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
