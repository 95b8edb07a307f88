# bash completion of moesim: `source tools/completion.bash`. The words come from the program's own tables.
_moesim() {
    local word=${COMP_WORDS[COMP_CWORD]} words
    words=$("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:0:COMP_CWORD}" "$word" 2>/dev/null)
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
    [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _moesim moesim
