package emulator

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

//go:embed revvenu.json
var revvenu []byte

//go:embed credits.json
var scribe []byte

// catalog is what is sold: the file format of [WithCatalog]. Keys that begin
// with an underscore are comments anywhere in the file.
type catalog struct {
	Product  product    `json:"product"`
	Features []*feature `json:"features"`
	Plans    []*pkg     `json:"plans"`
	Addons   []*pkg     `json:"addons"`
	// Currencies are what credits are counted in.
	Currencies []*currency `json:"currencies"`
	Seeds      []*seedUser `json:"customers"`

	Coupons       []*coupon       `json:"coupons"`
	FeatureGroups []*featureGroup `json:"featureGroups"`
	// DemoCustomer is read and not used: it is a comment of the published catalog.
	DemoCustomer json.RawMessage `json:"demoCustomer,omitempty"`
	// Widgets is how Stigg's widgets look.
	Widgets *widgets `json:"widgets"`

	featureByID map[string]*feature
	planByID    map[string]*pkg
	addonByID   map[string]*pkg

	currencyByID map[string]*currency
}

type product struct {
	ID                    string         `json:"id"`
	DisplayName           string         `json:"displayName"`
	Description           *string        `json:"description"`
	MultipleSubscriptions bool           `json:"multipleSubscriptions"`
	Metadata              map[string]any `json:"metadata"`
	DowngradePlan         *string        `json:"downgradePlan"`
	Settings              struct {
		Start        string `json:"subscriptionStartSetup"`
		End          string `json:"subscriptionEndSetup"`
		Cancellation string `json:"subscriptionCancellationTime"`
	} `json:"settings"`
}

// feature is something a plan can grant.
type feature struct {
	ID          string         `json:"id"`
	DisplayName string         `json:"displayName"`
	Description *string        `json:"description"`
	Type        string         `json:"featureType"`
	MeterType   string         `json:"meterType"`
	Unit        *string        `json:"unit"`
	Units       *string        `json:"units"`
	Status      string         `json:"featureStatus"`
	Metadata    map[string]any `json:"metadata"`
	Meter       *meter         `json:"meter"`
	Values      []enumValue    `json:"configuration"`
}

type enumValue struct {
	DisplayName string `json:"displayName"`
	Value       string `json:"value"`
}

func (f *feature) metered() bool { return f.Type == "NUMBER" && f.MeterType != "None" }

// pkg is a package in Stigg's sense: a plan or an add-on.
type pkg struct {
	ID               string         `json:"id"`
	DisplayName      string         `json:"displayName"`
	Description      *string        `json:"description"`
	PricingType      string         `json:"pricingType"`
	BasePlan         *string        `json:"basePlan"`
	Version          int            `json:"versionNumber"`
	Metadata         map[string]any `json:"metadata"`
	CompatibleAddons []string       `json:"compatibleAddons"`
	// CompatibleWith names plans that sell the add-on without showing it among their own.
	CompatibleWith []string `json:"compatibleWith"`
	// Dependencies are add-ons that must be bought beside this one.
	Dependencies []string         `json:"dependencies"`
	MaxQuantity  *float64         `json:"maxQuantity"`
	Prices       []*price         `json:"prices"`
	Entitlements []*packageGrant  `json:"entitlements"`
	Credits      []*creditPackage `json:"creditEntitlements"`
	// Inherited names features that the plan has from an ancestor in a version
	// that the catalog does not hold; they are granted without a limit.
	Inherited []string     `json:"inheritedEntitlements"`
	Trial     *trialConfig `json:"defaultTrialConfig"`

	// Draft is the next version, which is published by Emulator.Publish. What it leaves
	// out stays as it is.
	Draft *draft `json:"draft"`

	isAddon bool
	// base is the version of the base plan that the plan inherits from.
	base *pkg
}

// draft is what the next version of a package has instead.
type draft struct {
	Version      int              `json:"versionNumber"`
	DisplayName  string           `json:"displayName"`
	Description  *string          `json:"description"`
	Prices       []*price         `json:"prices"`
	Entitlements []*packageGrant  `json:"entitlements"`
	Credits      []*creditPackage `json:"creditEntitlements"`
}

// featureGroup is a bundle of features that are granted together.
type featureGroup struct {
	ID          string   `json:"id"`
	DisplayName string   `json:"displayName"`
	Features    []string `json:"features"`
}

// widgets is how Stigg's widgets look, in the words of the API.
type widgets struct {
	Palette    map[string]any `json:"palette"`
	Typography map[string]any `json:"typography"`
	Layout     map[string]any `json:"layout"`
	CustomCSS  *string        `json:"customCss"`
}

type packageGrant struct {
	FeatureID   string       `json:"featureId"`
	UsageLimit  *float64     `json:"usageLimit"`
	Unlimited   bool         `json:"hasUnlimitedUsage"`
	SoftLimit   bool         `json:"hasSoftLimit"`
	Custom      bool         `json:"isCustom"`
	Values      []string     `json:"enumValues"`
	ResetPeriod string       `json:"resetPeriod"`
	ResetConfig *resetConfig `json:"resetPeriodConfig"`
	Behavior    string       `json:"behavior"`
	DisplayName *string      `json:"displayNameOverride"`
	Rate        *creditRate  `json:"creditRate"`
}

type resetConfig struct {
	According string `json:"accordingTo"`
}

func (e *packageGrant) reset() resetRule {
	rule := resetRule{every: e.ResetPeriod}
	if e.ResetConfig != nil {
		rule.according = e.ResetConfig.According
	}
	return rule
}

type price struct {
	Model         string  `json:"billingModel"`
	FeatureID     string  `json:"featureId"`
	BillingPeriod string  `json:"billingPeriod"`
	Amount        float64 `json:"amount"`
	Currency      string  `json:"currency"`
	// Country is an ISO 3166 code, empty for the price that holds everywhere else.
	Country  string   `json:"billingCountryCode"`
	MinUnits *float64 `json:"minUnitQuantity"`
	MaxUnits *float64 `json:"maxUnitQuantity"`
}

type trialConfig struct {
	Duration    float64 `json:"duration"`
	Units       string  `json:"units"`
	EndBehavior string  `json:"trialEndBehavior"`
}

// end gives the end of a trial that begins at start.
func (t *trialConfig) end(start time.Time) time.Time {
	if t.Units == "MONTH" {
		return addMonths(start.UTC(), int(t.Duration))
	}
	return start.Add(time.Duration(t.Duration * 24 * float64(time.Hour)))
}

// meter says which raw events count for a feature, and how.
type meter struct {
	Filters []struct {
		Conditions []condition `json:"conditions"`
	} `json:"filters"`
	Aggregation struct {
		Function string `json:"function"`
		Field    string `json:"field"`
	} `json:"aggregation"`
}

type condition struct {
	Field     string `json:"field"`
	Operation string `json:"operation"`
	Value     any    `json:"value"`
}

// readCatalog reads and checks a catalog. Its errors name the field at fault.
func readCatalog(r io.Reader) (*catalog, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("catalog: %w", positioned(raw, err))
	}
	tree = withoutComments(tree)
	if err := checkShape(tree, reflect.TypeFor[catalog](), ""); err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	plain, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	c := &catalog{}
	dec := json.NewDecoder(bytes.NewReader(plain))
	dec.DisallowUnknownFields()
	if err := dec.Decode(c); err != nil {
		return nil, fmt.Errorf("catalog: %w", fieldNamed(err))
	}
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	return c, nil
}

// positioned adds the line of a syntax error.
func positioned(raw []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	line := 1 + bytes.Count(raw[:min(int(syntax.Offset), len(raw))], []byte("\n"))
	return fmt.Errorf("line %d: %w", line, err)
}

// fieldNamed says which field has a value of the wrong kind, in words.
func fieldNamed(err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) || kind.Field == "" {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return fmt.Errorf("field %s: a %s stands where a %s belongs", kind.Field, kind.Value, kind.Type)
}

// withoutComments drops every key that begins with an underscore.
func withoutComments(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if strings.HasPrefix(k, "_") {
				delete(v, k)
				continue
			}
			v[k] = withoutComments(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = withoutComments(inner)
		}
	}
	return v
}
