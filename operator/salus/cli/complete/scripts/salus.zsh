#compdef salus kubectl-salus
# Completion of salus for zsh:  source <(salus completion zsh), after compinit; or as a file _salus in a folder of $fpath

_salus() {
    local program=${words[1]/#\~/$HOME} directive line
    local -a answer candidates
    answer=("${(@f)$("$program" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    directive=${answer[-1]}
    answer[-1]=()
    if [[ $PREFIX == -*=* ]]; then
        compset -P '*='
    fi
    if [[ $directive == :0 ]]; then
        _files
        return
    fi
    for line in $answer; do
        line=${line//:/\\:}
        candidates+=("${line/$'\t'/:}")
    done
    _describe -V 'salus' candidates
}

if [[ ${funcstack[1]} == _salus ]]; then
    _salus "$@"
else
    compdef _salus salus kubectl-salus
fi
