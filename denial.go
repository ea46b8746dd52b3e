package gate

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/stiggate/gate/internal/problem"
)

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
	a := problem.Answer{Problem: g.problem(&d), RetryAfter: d.retrySeconds(), Challenge: g.challenge, Page: g.page, Failed: g.logTemplate}
	a.View = func() any { return denialPage(&a.Problem, a.RetryAfter) }
	g.SetQuotaHeaders(w.Header(), d)
	a.Write(w, r)
}

// logTemplate logs, once, that the app's template fails.
func (g *Gate) logTemplate(err error) {
	type failing struct{ p *problem.Page }
	if _, known := g.logged.LoadOrStore(failing{g.page}, true); !known {
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
		Type: g.base + d.Code, Title: a.title, Status: d.Status, Detail: d.detail(),
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
	if a.upgrade && g.upgrade != "" {
		p.Upgrade = &problem.Upgrade{URL: strings.ReplaceAll(g.upgrade, "{feature}", url.QueryEscape(d.FeatureID))}
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
