process TYBALTLIKE_ABERRANT {
    tag "$meta.id"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "${ workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container ?
        'https://depot.galaxyproject.org/singularity/tybalt-like:0.2.0--pyhdfd78af_0':
        'quay.io/biocontainers/tybalt-like:0.2.0--pyhdfd78af_0' }"

    input:
    tuple val(meta) , path(counts), path(samples)
    tuple val(meta2), path(cohort)

    output:
    tuple val(meta), path("${prefix}")                          , emit: cohort
    tuple val(meta), path("${prefix}/aberrant.tsv.gz")          , emit: all
    tuple val(meta), path("${prefix}/aberrant_significant.tsv") , emit: significant
    tuple val(meta), path("${prefix}/report.html")              , emit: report
    tuple val("${task.process}"), val('tybalt-like'), eval("tybalt-like --version"), topic: versions, emit: versions_tybaltlike

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def obs = samples ? "--obs $samples" : ''
    def using = cohort ? "--using $cohort" : ''
    """
    tybalt-like aberrant \\
        $counts \\
        $obs \\
        $using \\
        --out $prefix \\
        --threads $task.cpus \\
        --quiet \\
        $args
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir $prefix
    touch $prefix/aberrant_significant.tsv $prefix/report.html
    echo | gzip > $prefix/aberrant.tsv.gz
    """
}
