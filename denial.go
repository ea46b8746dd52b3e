package gate

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate/internal/problem"
)

// denials is how a gate answers the requests that it refuses.
type denials struct {
	statuses  map[Reason]int
	upgrade   string
	base      string // of the problem types
	page      *problem.Page
	quota     QuotaHeaders
	challenge string // the field WWW-Authenticate of a 401
}

// DefaultProblemBase begins the type of every denial: docs/denials.md, which explains each
// code (WithProblemBase).
const DefaultProblemBase = "https://github.com/stiggate/gate/blob/main/docs/denials.md#"

const (
	// retryPending and retryUnavailable are the Retry-After of 429 and 503.
	retryPending     = time.Second
	retryUnavailable = 5 * time.Second
)

// finish gives a refusal its code, status and hints.
func (g *Gate) finish(p *Policy, d *Decision) {
	a := d.Reason.answer()
	d.Code, d.Status = a.code, a.status
	if d.never {
		d.Code = "usage_never_fits"
	}
	switch d.Reason {
	case ReasonPending:
		d.RetryAfter = retryPending
	case ReasonUnavailable, ReasonClientGone:
		d.RetryAfter = retryUnavailable
	case ReasonBadRequest:
		var e *RequestError
		if errors.As(d.Err, &e) {
			d.apply(e)
		}
	}
	for _, statuses := range []map[Reason]int{g.denials.statuses, p.statuses} {
		if status, ok := statuses[d.Reason]; ok {
			d.Status = status
		} else if status, ok := statuses[d.Reason.known()]; ok {
			d.Status = status
		}
	}
	if a.ours {
		g.logMistake(d)
	}
}

// apply takes over what an AmountFunc wants the client to see.
func (d *Decision) apply(e *RequestError) {
	if e.Status >= 400 && e.Status < 500 {
		d.Status = e.Status
	}
	if e.Code != "" {
		d.Code = e.Code
	}
}

// logMistake logs, once, that the app's policies and Stigg's catalog do not agree.
func (g *Gate) logMistake(d *Decision) {
	type mistake struct {
		feature, route string
		reason         Reason
	}
	if _, known := g.logged.LoadOrStore(mistake{d.FeatureID, d.Route, d.Reason}, true); !known {
		g.logger.Error("gate: a policy does not fit the catalog; requests are denied", "feature", d.FeatureID, "reason", string(d.Reason), "route", d.Route, "error", d.Err)
	}
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
	a := problem.Answer{Problem: g.problem(&d), RetryAfter: d.retrySeconds(), Challenge: g.denials.challenge, Page: g.denials.page, Failed: g.logTemplate}
	a.View = func() any { return denialPage(&a.Problem, a.RetryAfter) }
	g.SetQuotaHeaders(w.Header(), d)
	a.Write(w, r)
}

// logTemplate logs, once, that the app's template fails.
func (g *Gate) logTemplate(err error) {
	type failing struct{ p *problem.Page }
	if _, known := g.logged.LoadOrStore(failing{g.denials.page}, true); !known {
		g.logger.Error("gate: the denial template fails; denials are answered as problem+json", "error", err)
	}
}

// retrySeconds is RetryAfter in whole seconds, rounded up.
func (d *Decision) retrySeconds() int { return int(math.Ceil(d.RetryAfter.Seconds())) }

// problem is what a denial says. The customer's id is not in it, nor anything of another
// customer.
func (g *Gate) problem(d *Decision) problem.Problem {
	a := d.Reason.answer()
	p := problem.Problem{
		Type: g.denials.base + d.Code, Title: a.title, Status: d.Status, Detail: d.detail(),
		Instance: problem.NewInstance(), Code: d.Code,
	}
	if d.FeatureID != "" {
		p.Feature = &problem.Feature{ID: d.FeatureID, DisplayName: d.FeatureName}
	}
	if d.Reason.ofStigg() {
		p.AccessDeniedReason = string(d.Reason)
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
	if a.upgrade && g.denials.upgrade != "" {
		p.Upgrade = &problem.Upgrade{URL: strings.ReplaceAll(g.denials.upgrade, "{feature}", url.QueryEscape(d.FeatureID))}
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

// DenialPage is what a denial's template is executed with (WithDenialTemplate): the
// members of the problem+json body as plain fields, so that the page says the same.
// It does not know the customer. What does not apply is empty.
type DenialPage struct {
	// Status is the HTTP status, such as 402.
	Status int
	// Type is the URI of the kind of problem, Title its name, Detail one sentence on
	// this occurrence.
	Type, Title, Detail string
	// Code is the reason in our spelling, such as usage_limit_exceeded, and Reason it is
	// in Stigg's; empty where Stigg has no word for it.
	Code, Reason string
	// Instance names this one denial, for support.
	Instance string

	// FeatureID and FeatureName tell what was refused; empty if it was no feature.
	FeatureID, FeatureName string
	// Requested, Used and Limit are amounts of it in decimals ("1000000", "0.5").
	Requested, Used, Limit string
	// Meter says that Used and Limit are both there and Limit is above 0, as the meter
	// element asks.
	Meter bool
	// ResetsAt is the end of the usage period, in UTC; zero without one.
	ResetsAt time.Time
	// RetryAfter is in how many seconds asking again may help; 0 if that is not known.
	RetryAfter int
	// UpgradeURL is where another plan can be had; empty unless that is the remedy
	// and WithUpgradeLink gave one.
	UpgradeURL string
}

// samplePages are tried with a template: a denial that has everything, and one that has next
// to nothing.
var samplePages = []any{DenialPage{
	Status: 402, Type: DefaultProblemBase + "usage_limit_exceeded", Title: "Plan limit reached",
	Detail: "This request needs 3 of Templates; 3 of 5 are used.",
	Code:   "usage_limit_exceeded", Reason: string(ReasonLimitExceeded), Instance: "urn:uuid:00000000-0000-4000-8000-000000000000",
	FeatureID: "feature-01-templates", FeatureName: "Templates", Requested: "3", Used: "3", Limit: "5", Meter: true,
	ResetsAt: time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC), RetryAfter: 1, UpgradeURL: "https://example.com/upgrade",
}, DenialPage{Status: 401, Title: "No customer", Code: "customer_unresolved"}}

// denialPage is the problem for people.
func denialPage(p *problem.Problem, retryAfter int) DenialPage {
	v := DenialPage{
		Status: p.Status, Type: p.Type, Title: p.Title, Detail: p.Detail, Code: p.Code, Instance: p.Instance,
		Reason: p.AccessDeniedReason, RetryAfter: retryAfter,
	}
	if p.Feature != nil {
		v.FeatureID, v.FeatureName = p.Feature.ID, p.Feature.DisplayName
	}
	for _, amount := range []struct {
		from *float64
		to   *string
	}{{p.RequestedUsage, &v.Requested}, {p.CurrentUsage, &v.Used}, {p.UsageLimit, &v.Limit}} {
		if amount.from != nil {
			*amount.to = number(*amount.from)
		}
	}
	v.Meter = p.CurrentUsage != nil && p.UsageLimit != nil && *p.UsageLimit > 0
	if p.ResetsAt != nil {
		v.ResetsAt = *p.ResetsAt
	}
	if p.Upgrade != nil {
		v.UpgradeURL = p.Upgrade.URL
	}
	return v
}
