// Package problem is how a denial is written: as application/problem+json (RFC 9457), or as a
// page of HTML for a request that prefers one (RFC 9110, section 12.5.1). It has the words and
// the status of each reason, and decides nothing.
package problem

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/stiggate/gate/internal/header"
)

// Problem is the body: the five members of RFC 9457, and our own behind them.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`

	Code               string     `json:"code"`
	AccessDeniedReason string     `json:"accessDeniedReason,omitempty"`
	Feature            *Feature   `json:"feature,omitempty"`
	RequestedUsage     *float64   `json:"requestedUsage,omitempty"`
	CurrentUsage       *float64   `json:"currentUsage,omitempty"`
	UsageLimit         *float64   `json:"usageLimit,omitempty"`
	ResetsAt           *time.Time `json:"resetsAt,omitempty"`
	AllowedValues      []string   `json:"allowedValues,omitempty"`
	Upgrade            *Upgrade   `json:"upgrade,omitempty"`
}

// Feature is what was refused.
type Feature struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Units       string `json:"units,omitempty"`
}

// Upgrade is where another plan can be had.
type Upgrade struct {
	URL string `json:"url"`
}

// answer is a Problem and how it is sent.
type answer struct {
	Problem
	retryAfter int // in seconds; 0 says nothing
	style      *Style
}

// write sends the answer. HEAD gets the same header and no body.
func (a *answer) write(w http.ResponseWriter, r *http.Request, form Form) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	if a.Upgrade != nil && (a.Status == http.StatusPaymentRequired || a.Status == http.StatusForbidden) {
		h.Add("Link", "<"+header.LinkTarget(a.Upgrade.URL)+`>; rel="payment"`)
	}
	if a.style.Challenge != "" && a.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", a.style.Challenge)
	}
	body := a.represent(h, form)
	if body == nil {
		http.Error(w, a.Code, a.Status)
		return
	}
	if h.Get("Content-Encoding") == "" { // else a compression in front has announced itself
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that left can't be told
	}
}

// represent makes the body and says in the header what it is. It is nil if there is none: a Problem is strings and finite numbers, but a
// time may be one that JSON has no form for.
func (a *answer) represent(h http.Header, form Form) []byte {
	if page := a.style.page; form == HTML {
		body, err := page.render(a.style.View(a.view()))
		if err == nil {
			h.Set("Content-Type", "text/html; charset=utf-8")
			if page.csp != "" {
				h.Set("Content-Security-Policy", page.csp)
			}
			return body
		}
		a.style.Failed(err)
	}
	body, err := json.Marshal(&a.Problem)
	if err != nil {
		return nil
	}
	h.Set("Content-Type", "application/problem+json")
	return append(body, '\n')
}

// NewInstance names one denial: a random UUID (RFC 9562, version 4).
func NewInstance() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	name := append(make([]byte, 0, 45), "urn:uuid:"...)
	for i, part := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			name = append(name, '-')
		}
		name = hex.AppendEncode(name, part)
	}
	return string(name)
}
