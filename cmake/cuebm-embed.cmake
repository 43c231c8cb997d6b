# cmake -DOUTPUT=file -DROOTS=folder... -DNAMES=file... -P cuebm-embed.cmake: writes `{"name", "text"},` of each file, which is
# looked for under the roots, as C++ initialisers.
set(all "")
foreach(name IN LISTS NAMES)
    foreach(root IN LISTS ROOTS)
        if(EXISTS ${root}/${name})
            file(READ ${root}/${name} bytes HEX)
            break()
        endif()
    endforeach()
    string(REGEX REPLACE "(..)" "\\\\x\\1" text "${bytes}")
    string(APPEND all "{\"${name}\", \"${text}\"},\n")
endforeach()
file(WRITE ${OUTPUT} "${all}")
