// Package recipes holds the recipes of docs/adapters.md for routers that have no adapter, as
// files that are compiled and tested: gorilla/mux, httprouter, and fiber by its adaptor. Copy
// the one that you need. The text of the page is the text of these files: a test compares them.
package recipes
