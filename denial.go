package gate

import (
	"net/http"
	"time"

	"github.com/stiggate/gate/internal/problem"
)

// Denial is a refusal for an app that answers it in its own way: what the standard answers
// say, and the decision, which has the customer and is for the app's own eyes.
type Denial struct {
	DenialPage
	Decision Decision

	write func(http.ResponseWriter, *http.Request, problem.Form)
}

// denialFunc answers a refusal.
type denialFunc func(w http.ResponseWriter, r *http.Request, d Denial)

// Write is the standard answer: what the request prefers of the two below.
func (d Denial) Write(w http.ResponseWriter, r *http.Request) { d.write(w, r, problem.Negotiated) }

// WriteJSON answers with application/problem+json.
func (d Denial) WriteJSON(w http.ResponseWriter, r *http.Request) { d.write(w, r, problem.JSON) }

// WritePage answers with the page of HTML.
func (d Denial) WritePage(w http.ResponseWriter, r *http.Request) { d.write(w, r, problem.HTML) }

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
	// Units names several of what is counted, such as seats; empty if Stigg does not say.
	Units string
	// Requested, Used and Limit are amounts of it, of three decimals at most ("1000000", "0.5").
	Requested, Used, Limit string
	// Meter says that Used and Limit are both there and Limit is above 0, as the meter
	// element asks.
	Meter bool
	// ResetsAt is the end of the usage period, in UTC; zero without one.
	ResetsAt time.Time
	// RetryAfter is in how many seconds asking again may help; 0 if that is not known.
	RetryAfter int
	// AllowedValues are the values that the plan allows, where another one was asked for.
	AllowedValues []string
	// UpgradeURL is where another plan can be had; empty unless that is the remedy
	// and WithUpgradeLink or WithUpgrade gave one.
	UpgradeURL string
}
