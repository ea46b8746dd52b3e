package problem

import (
	"cmp"
	"errors"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate/internal/header"
)

// Denial is what is told of a refusal. It knows nothing of the customer.
type Denial struct {
	// Reason is told as accessDeniedReason if it is Stigg's.
	Reason, Code string
	OfStigg      bool
	Status       int
	RetryAfter   time.Duration
	Instance     string // empty: a new one

	// FeatureID and FeatureName tell what was refused; empty if it was no feature.
	FeatureID, FeatureName string
	// Unit and Units name one and several of what is counted; empty if that is not known.
	Unit, Units string
	// An amount that is not known is NaN.
	Requested, Used, Limit float64
	ResetsAt               time.Time // zero without a usage period
	NeverFits              bool      // Requested is more than Limit
	Period                 string    // of usage, such as MONTH; empty without one
	Values                 []string  // what the plan allows of it
	// Upgrade comes in place of the app's link.
	Upgrade string
	// Told comes in place of the reason's own sentence.
	Told string
}

// NeverFits is the code of a limit that is less than what is asked for, however little of it
// is used.
const NeverFits = "usage_never_fits"

// Style is what an app chooses of its denials.
type Style struct {
	Base    string // of the problem types
	Upgrade string // a link, with {feature} in it for the feature's id
	// Say gives the title and the detail in the reader's languages, the one preferred first;
	// what is empty stays.
	Say       func(languages []string, v View) (title, detail string)
	Challenge string // the field WWW-Authenticate of a 401
	Statuses  Statuses
	// View is what the page's template is executed with.
	View func(View) any
	// Failed is told of a page that can't be written.
	Failed func(error)

	page    *Page
	ownBase bool // the app's, whose pages know its codes
}

// NewStyle is what an app has that chooses nothing.
func NewStyle(base string, view func(View) any) Style {
	return Style{Base: base, View: view, page: own(view(View{}))}
}

// SetUpgrade checks and takes a link.
func (s *Style) SetUpgrade(link string) error {
	filled := strings.ReplaceAll(link, "{feature}", "feature")
	if strings.ContainsAny(filled, "{}") {
		return errors.New("the upgrade link has a brace that is not of {feature}")
	}
	if !IsLink(filled) {
		return errors.New("the upgrade link is neither an http or https URL nor a path that begins with /")
	}
	s.Upgrade = link
	return nil
}

// SetStatus checks and takes the status of a reason.
func (s *Style) SetStatus(reason string, status int) (err error) {
	s.Statuses, err = s.Statuses.With(reason, status)
	return err
}

// IsLink reports whether a page may link to it: an http or https URL, or a path on the same
// host.
func IsLink(link string) bool {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return false
	case u.Scheme == "" && u.Host == "":
		// A browser takes what follows two or more slashes, of either kind, for a host.
		return strings.HasPrefix(link, "/") && (len(link) == 1 || link[1] != '/' && link[1] != '\\')
	default:
		return (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
	}
}

// SetChallenge checks and takes a challenge.
func (s *Style) SetChallenge(challenge string) error {
	scheme, _, _ := strings.Cut(challenge, " ")
	if scheme == "" || strings.ContainsFunc(challenge, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("the challenge is not a scheme and its parameters in visible ASCII")
	}
	s.Challenge = challenge
	return nil
}

// SetBase checks and takes what the problem types begin with.
func (s *Style) SetBase(base string) error {
	if u, err := url.Parse(base); err != nil || u.Scheme == "" {
		return errors.New("the problem base is not an absolute URI")
	}
	s.Base, s.ownBase = base, true
	return nil
}

// SetTemplate tries and takes a template.
func (s *Style) SetTemplate(t *template.Template) (err error) {
	full, bare := samples()
	s.page, err = of(t, s.View(full), s.View(bare))
	return err
}

// Form is what a denial is written as.
type Form uint8

// The forms.
const (
	Negotiated Form = iota // what the request prefers
	JSON
	HTML
)

// Write answers a request with a denial.
func (s *Style) Write(w http.ResponseWriter, r *http.Request, d *Denial, form Form) {
	a := s.answer(r, d)
	if s.Say != nil {
		header.Vary(w.Header(), "Accept-Language")
	}
	if form == Negotiated {
		header.Vary(w.Header(), "Accept")
		if form = JSON; header.PrefersHTML(r.Header) {
			form = HTML
		}
	}
	a.write(w, r, form)
}

// Show is what Write writes, as plain fields; without a request the texts are English.
func (s *Style) Show(r *http.Request, d *Denial) View {
	a := s.answer(r, d)
	return a.view()
}

func (s *Style) answer(r *http.Request, d *Denial) answer {
	a := answer{Problem: s.problem(d), retryAfter: int(math.Ceil(d.RetryAfter.Seconds())), style: s}
	if s.Say != nil && r != nil {
		title, detail := s.Say(header.Languages(r.Header), a.view())
		a.Title, a.Detail = cmp.Or(title, a.Title), cmp.Or(detail, a.Detail)
	}
	return a
}

// problem is what a denial says.
func (s *Style) problem(d *Denial) Problem {
	row := Of(d.Reason)
	kind := d.Code
	if d.Reason == "gate:RequestNotUnderstood" && !s.ownBase {
		kind = row.Code // Gate's page knows nothing of a code of the app's
	}
	p := Problem{Type: s.Base + kind, Title: row.Title, Status: d.Status, Detail: d.detail(row), Instance: d.Instance, Code: d.Code}
	if p.Instance == "" {
		p.Instance = NewInstance()
	}
	if d.FeatureID != "" {
		p.Feature = &Feature{d.FeatureID, d.FeatureName, d.Units}
	}
	if d.OfStigg {
		p.AccessDeniedReason = d.Reason
	}
	if row.Counted {
		p.RequestedUsage, p.CurrentUsage, p.UsageLimit = finite(d.Requested), finite(d.Used), finite(d.Limit)
		if !d.ResetsAt.IsZero() {
			at := d.ResetsAt.UTC()
			p.ResetsAt = &at
		}
	}
	if link := cmp.Or(d.Upgrade, strings.ReplaceAll(s.Upgrade, "{feature}", url.QueryEscape(d.FeatureID))); row.Upgrade && link != "" {
		p.Upgrade = &Upgrade{URL: link}
	}
	p.AllowedValues = d.Values
	return p
}

func finite(n float64) *float64 {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return nil
	}
	return &n
}

// detail is one sentence for people.
func (d *Denial) detail(row Reason) string {
	sentence := row.Detail
	switch {
	case d.Told != "":
		return d.Told
	case d.NeverFits:
		sentence = "This request needs {requested}; the plan allows {limit} in all."
	case row.Counted && d.Used >= d.Limit && row.UsedUp != "":
		sentence = row.UsedUp
	case len(d.Values) > 0:
		sentence = "The plan does not allow this value of {feature}; it allows {values}."
	}
	var text strings.Builder
	for before, after, more := strings.Cut(sentence, "{"); ; before, after, more = strings.Cut(after, "{") {
		text.WriteString(before)
		if !more {
			return text.String()
		}
		var name string
		name, after, _ = strings.Cut(after, "}")
		text.WriteString(d.named(name))
	}
}

// named is what stands in a sentence for a name in braces.
func (d *Denial) named(name string) string {
	switch name {
	case "feature":
		return d.FeatureName
	case "requested":
		return d.counted(rounded(d.Requested, math.Ceil), " of ")
	case "all":
		return d.counted(d.Limit, " ")
	case "limit":
		return shown(d.Limit)
	case "left":
		return shown(rounded(max(d.Limit-d.Used, 0), math.Floor))
	case "values":
		return strings.Join(d.Values, ", ")
	}
	return map[string]string{"HOUR": " this hour", "DAY": " today", "WEEK": " this week", "MONTH": " this month", "YEAR": " this year"}[d.Period] // "period"
}

// counted is an amount and what it counts: "3 seats", or with the feature's name.
func (d *Denial) counted(n float64, of string) string {
	switch {
	case n == 1 && d.Unit != "":
		return shown(n) + " " + d.Unit
	case d.Units != "":
		return shown(n) + " " + d.Units
	}
	return shown(n) + of + d.FeatureName
}

// shown is an amount in a sentence; 0 if it is not known.
func shown(n float64) string {
	if math.IsNaN(n) {
		n = 0
	}
	return number(n)
}

// rounded is an amount for people: three decimals, or three digits of less than 1. What is asked for is
// rounded up and what is left down, so that what does not fit never reads as if it would.
func rounded(n float64, round func(float64) float64) float64 {
	const exact = 1 << 40 // it would lose digits in front of the point
	if !(math.Abs(n) < exact) || n == 0 {
		return n
	}
	scale := math.Pow(10, max(3, 2-math.Floor(math.Log10(math.Abs(n)))))
	if near := math.Round(n * scale); math.Abs(near-n*scale) < 1e-4 { // 0.1 + 0.2 is 0.3
		return near / scale
	}
	return round(n*scale) / scale
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
