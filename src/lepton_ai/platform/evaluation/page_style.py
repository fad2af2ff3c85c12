"""How a report looks: on a phone, on a screen by day and by night, and on paper."""

STYLE = """
.lepton-report {
  --ink: #1b1b1b; --paper: #ffffff; --faint: #d0d0d0; --soft: #f4f4f1; --warn: #8a4b00; --fine: #1d5e36;
  color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif;
  max-width: 66rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere;
}
@media (prefers-color-scheme: dark) {
  .lepton-report {
    --ink: #e8e8e6; --paper: #161616; --faint: #4a4a4a; --soft: #222220; --warn: #ffb766; --fine: #8fd6a8;
  }
}
.lepton-report h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
.lepton-report h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--faint); }
.lepton-report h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.lepton-report p { margin: .4rem 0; max-width: 46rem; }
.lepton-report .quiet { opacity: .8; font-size: .9rem; }
.lepton-report ul.remarks { list-style: none; padding: 0; margin: 1rem 0; }
.lepton-report ul.remarks li { border-left: .3rem solid var(--fine); padding: .1rem .7rem; margin: .45rem 0; }
.lepton-report ul.remarks li.warning { border-color: var(--warn); }
.lepton-report ul.remarks li b { color: var(--fine); margin-right: .4rem; }
.lepton-report ul.remarks li.warning b { color: var(--warn); }
.lepton-report .wide { overflow-x: auto; }
.lepton-report table { border-collapse: collapse; font-size: .88rem; margin: .5rem 0; }
.lepton-report caption { text-align: left; opacity: .8; padding-bottom: .3rem; }
.lepton-report th, .lepton-report td {
  text-align: right; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--faint); vertical-align: top;
  font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; background: none; color: inherit;
}
.lepton-report th:first-child, .lepton-report td.text {
  text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 8rem;
}
.lepton-report tbody th { font-weight: 600; }
.lepton-report tr.chosen { background: var(--soft); font-weight: 600; }
.lepton-report tr.small { opacity: .75; font-style: italic; }
.lepton-report .pictures { display: flex; flex-wrap: wrap; column-gap: 1rem; }
.lepton-report figure { margin: .5rem 0; background: #ffffff; border-radius: .3rem; width: fit-content; }
.lepton-report td small { display: block; opacity: .8; }
.lepton-report figure, .lepton-report figure svg { max-width: 100%; }
.lepton-report figure svg { display: block; height: auto; }
.lepton-report summary { cursor: pointer; margin: .5rem 0; }
@media print {
  .lepton-report {
    --ink: #000000; --paper: #ffffff; --faint: #999999; --soft: #eeeeee; --warn: #000000; --fine: #000000;
    font-size: 10pt; max-width: none; padding: 0;
  }
  .lepton-report .wide { overflow: visible; }
  .lepton-report table { font-size: 8pt; }
  .lepton-report th, .lepton-report td { white-space: normal; padding-right: .35rem; }
  .lepton-report th:first-child, .lepton-report td.text { min-width: 4rem; }
  .lepton-report figure, .lepton-report tr, .lepton-report li { break-inside: avoid; }
  .lepton-report h2, .lepton-report h3 { break-after: avoid; }
}
"""
"""Every rule is bound to the report's own element, so that it changes nothing else in a notebook."""
