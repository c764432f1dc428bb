# Completion of salus for bash:  source <(salus completion bash)

_salus() {
    local program=${1/#\~/$HOME} cur=${COMP_WORDS[COMP_CWORD]} line index word
    local -a words=() answer=()
    # Bash parts a word at "=" and ":"; what belongs together is put together again.
    for ((index = 1; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        if ((${#words[@]} > 0)) && [[ $word == [=:] || ${COMP_WORDS[index - 1]} == [=:] ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
    done
    COMPREPLY=()
    while IFS= read -r line; do
        answer+=("$line")
    done < <("$program" __complete "${words[@]}" 2>/dev/null)
    ((${#answer[@]} > 0)) || return 0
    local directive=${answer[${#answer[@]} - 1]} whole=${words[${#words[@]} - 1]}
    if [[ $directive == :0 ]]; then
        [[ $cur == "=" ]] && cur=
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done < <(compgen -f -- "$cur")
        return 0
    fi
    # Of what is typed, bash replaces only what comes after the last "=" or ":".
    local value=$whole
    [[ $whole == -*=* ]] && value=${whole#*=}
    local typed=${value%"${value##*[=:]}"}
    for line in "${answer[@]:0:${#answer[@]} - 1}"; do
        line=${line%%$'\t'*}
        COMPREPLY+=("${line#"$typed"}")
    done
}

complete -F _salus salus kubectl-salus
