# Completion of salus for fish:  salus completion fish | source

function __salus_complete
    set -l words (commandline -opc)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -l begun (commandline -ct)
    set -l answer ($program __complete $words[2..-1] "$begun" 2>/dev/null)
    test (count $answer) -gt 0; or return
    set -l before (string match -r -- '^-[^=]*=' "$begun")
    if test $answer[-1] = ':0'
        for path in (__fish_complete_path (string replace -r -- '^-[^=]*=' '' "$begun"))
            echo "$before$path"
        end
        return
    end
    for line in $answer[1..-2]
        echo "$before$line"
    end
end

for program in salus kubectl-salus
    complete -c $program -e
    complete -c $program -f -k -a '(__salus_complete)'
end
