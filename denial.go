package gate

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate/internal/header"
)

// problem is a denial's body: RFC 9457, with members of our own behind its five. The
// customer's id is not in it, nor anything of another customer.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`

	Code               string          `json:"code"`
	AccessDeniedReason Reason          `json:"accessDeniedReason,omitempty"`
	Feature            *problemFeature `json:"feature,omitempty"`
	RequestedUsage     *float64        `json:"requestedUsage,omitempty"`
	CurrentUsage       *float64        `json:"currentUsage,omitempty"`
	UsageLimit         *float64        `json:"usageLimit,omitempty"`
	ResetsAt           *time.Time      `json:"resetsAt,omitempty"`
	Upgrade            *problemUpgrade `json:"upgrade,omitempty"`
}

type problemFeature struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
}

type problemUpgrade struct {
	URL string `json:"url"`
}

// WriteDenial answers a request that d does not allow: as a page of HTML if the
// request's Accept prefers that to JSON (a browser's does; RFC 9110, section 12.5.1), and
// otherwise as application/problem+json (RFC 9457). Status and content are the same
// either way. The instance is a new urn:uuid at each call; all else is the same bytes
// for the same decision. HEAD gets the same header and no body.
//
// A 402 with an upgrade link has it in the field Link, too, as rel="payment". Fields that
// others have set and that are not named here stay as they are: a compression in front
// may have announced itself (golang/go#66343).
func (g *Gate) WriteDenial(w http.ResponseWriter, r *http.Request, d Decision) {
	p, h := g.problem(d), w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	header.Vary(h, "Accept")
	if d.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(d.retrySeconds()))
	}
	if p.Upgrade != nil && d.Status == http.StatusPaymentRequired {
		h.Add("Link", "<"+header.LinkTarget(p.Upgrade.URL)+`>; rel="payment"`)
	}
	if g.challenge != "" && d.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", g.challenge)
	}
	g.SetQuotaHeaders(h, d)
	body := g.represent(h, r, &p, d.retrySeconds())
	if body == nil {
		http.Error(w, d.Code, d.Status)
		return
	}
	if h.Get("Content-Encoding") == "" { // else a compression in front has announced itself
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(d.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that left can't be told
	}
}

// represent makes the body that the request prefers and says in the header what it
// is. It is nil if there is none: a problem is strings and finite numbers, but a
// time may be one that JSON has no form for.
func (g *Gate) represent(h http.Header, r *http.Request, p *problem, retryAfter int) []byte {
	if header.PrefersHTML(r.Header) {
		if body := g.html(p, retryAfter); body != nil {
			h.Set("Content-Type", "text/html; charset=utf-8")
			if g.page.csp != "" {
				h.Set("Content-Security-Policy", g.page.csp)
			}
			return body
		}
	}
	body, err := json.Marshal(p)
	if err != nil {
		return nil
	}
	h.Set("Content-Type", "application/problem+json")
	return append(body, '\n')
}

// retrySeconds is RetryAfter in whole seconds, rounded up.
func (d *Decision) retrySeconds() int { return int(math.Ceil(d.RetryAfter.Seconds())) }

func (g *Gate) problem(d Decision) problem {
	a := d.Reason.answer()
	p := problem{
		Type: g.base + d.Code, Title: a.title, Status: d.Status, Detail: d.detail(),
		Instance: newInstance(), Code: d.Code,
	}
	if d.FeatureID != "" {
		p.Feature = &problemFeature{d.FeatureID, d.FeatureName}
	}
	if d.Reason.ofStigg() {
		p.AccessDeniedReason = d.Reason
	}
	switch d.Reason {
	case ReasonLimitExceeded, ReasonPending, ReasonInsufficientCredits:
		p.RequestedUsage = finite(d.Requested, d.HasRequested)
		p.CurrentUsage = finite(d.Usage, d.Metered)
		p.UsageLimit = finite(d.Limit, d.HasLimit)
		if !d.ResetsAt.IsZero() {
			at := d.ResetsAt.UTC()
			p.ResetsAt = &at
		}
	}
	if a.upgrade && g.upgrade != "" {
		p.Upgrade = &problemUpgrade{strings.ReplaceAll(g.upgrade, "{feature}", url.QueryEscape(d.FeatureID))}
	}
	return p
}

func finite(n float64, has bool) *float64 {
	if !has || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil
	}
	return &n
}

// detail is one sentence for people.
func (d *Decision) detail() string {
	switch d.Reason {
	case ReasonLimitExceeded:
		return d.limitDetail()
	case ReasonPending:
		return fmt.Sprintf("This request needs %s of %s, which other requests now running may use up. Try again in a moment.", number(d.Requested), d.FeatureName)
	case ReasonInsufficientCredits:
		return fmt.Sprintf("There are not enough credits left for %s.", d.FeatureName)
	case ReasonBudgetExceeded:
		return fmt.Sprintf("The budget set for %s is spent.", d.FeatureName)
	case ReasonNoSubscription:
		return "There is no active subscription."
	case ReasonNotInPlan, ReasonEntitlementNotFound:
		return fmt.Sprintf("%s is not part of the plan.", d.FeatureName)
	case ReasonValueNotAllowed:
		return fmt.Sprintf("The plan does not allow this value of %s.", d.FeatureName)
	case ReasonCustomerIsArchived:
		return "The customer is archived."
	case ReasonCustomerNotFound:
		return "The customer is not known."
	case ReasonResourceNotFound:
		return "The resource is not known."
	case ReasonRevoked:
		return fmt.Sprintf("Access to %s was revoked.", d.FeatureName)
	case ReasonFeatureNotFound, ReasonFeatureMismatch, ReasonNotInTable:
		return "This route is not set up correctly. That is not the caller's fault."
	case ReasonUnresolved:
		return "The request does not say, in a valid way, which customer it is made for."
	case ReasonCustomerConflict:
		return "The request is made for another customer than the one who is signed in."
	case ReasonUnavailable, ReasonClientGone:
		return "What the plan covers can't be looked up at the moment. Nothing was charged; try again later."
	case ReasonBadRequest:
		return d.requestDetail()
	default:
		return "The plan does not give access."
	}
}

func (d *Decision) limitDetail() string {
	if d.never {
		return fmt.Sprintf("This request needs %s of %s; the plan allows %s in all.", number(d.Requested), d.FeatureName, number(d.Limit))
	}
	return fmt.Sprintf("This request needs %s of %s; %s of %s are used.", number(d.Requested), d.FeatureName, number(d.Usage), number(d.Limit))
}

func (d *Decision) requestDetail() string {
	var told *RequestError
	if errors.As(d.Err, &told) && told.Detail != "" {
		return told.Detail
	}
	var amount *AmountError
	if errors.As(d.Err, &amount) {
		return "The amount asked for " + amount.Problem + "."
	}
	return "The amount or the values asked for can't be read from the request."
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// newInstance names this one denial: a random UUID (RFC 9562, version 4).
func newInstance() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
