package gatetest

import "github.com/stiggate/gate"

// Entitlement is what a plan or a customer has of one feature, or one credit wallet.
type Entitlement struct {
	feature gate.Entitlement
	wallet  gate.Credit
}

// id is the feature's, or the currency's.
func (e Entitlement) id() string { return e.feature.FeatureID + e.wallet.CurrencyID }

// Boolean is a feature that is on.
func Boolean(feature string) Entitlement {
	return Entitlement{feature: gate.Entitlement{FeatureID: feature, Kind: gate.Boolean, Granted: true}}
}

// Metered is a feature of which at most limit may be used.
func Metered(feature string, limit float64) Entitlement {
	return Entitlement{feature: gate.Entitlement{FeatureID: feature, Kind: gate.Metered, Granted: true, Limit: limit}}
}

// Unlimited is a metered feature without a limit.
func Unlimited(feature string) Entitlement {
	return Entitlement{feature: gate.Entitlement{FeatureID: feature, Kind: gate.Metered, Granted: true, Unlimited: true}}
}

// Configuration is a feature that is a number, such as the largest size of a file.
func Configuration(feature string, value float64) Entitlement {
	return Entitlement{feature: gate.Entitlement{FeatureID: feature, Kind: gate.Configuration, Granted: true, Limit: value}}
}

// Enum is a feature of which these values are allowed.
func Enum(feature string, values ...string) Entitlement {
	return Entitlement{feature: gate.Entitlement{FeatureID: feature, Kind: gate.Enum, Granted: true, Values: values}}
}

// Credits is a wallet of a credit currency, with limit credits granted.
func Credits(currency string, limit float64) Entitlement {
	return Entitlement{wallet: gate.Credit{CurrencyID: currency, Granted: true, Limit: limit}}
}

// Named gives it the name that denials show.
func (e Entitlement) Named(name string) Entitlement {
	e.feature.DisplayName, e.wallet.DisplayName = name, name
	return e
}

// Soft lets more than the limit be used.
func (e Entitlement) Soft() Entitlement {
	e.feature.SoftLimit, e.wallet.SoftLimit = true, true
	return e
}

// Costs has each unit of the feature paid out of a wallet, which is to be had as well
// ([Credits]).
func (e Entitlement) Costs(currency string, credits float64) Entitlement {
	e.feature.CreditRate = &gate.CreditRate{CurrencyID: currency, Amount: credits}
	return e
}
